// A command line: results on stdout, problems on stderr; 0 for good, 1 for bad, 2 with one line and
// the usage for a wrong command line. A monitor's probe says UNKNOWN instead, 3, on stdout.
import { expect, test } from "bun:test";
import { COMMANDS, listUsages } from "../../src/spec.ts";
import { run } from "./captured.ts";

test.each(["", "check", "status", "ctl", "deploy", "help"])(
  "hapgent %s --help is its help, which fits a terminal of 80 columns",
  async (name) => {
    const help = await run(`help ${name}`.trim());
    expect(help).toMatchObject({ code: 0, err: "" });
    expect(help.out).toStartWith(`hapgent ${name}`.trim());
    expect(help.out.split("\n").filter((line) => line.length > 80)).toEqual([]);
    expect(help.out.includes("\nCommands")).toBe(["", "ctl"].includes(name));
    const commands = COMMANDS.filter((each) => name === "" || each.name === name);
    for (const { options = [] } of commands) {
      for (const { term } of options) expect(help.out).toContain(`  ${term}`);
    }
    // Whatever comes after it.
    for (const option of ["--help", name === "deploy" ? "-h rm -rf /nowhere" : "-h"]) {
      expect(await run(`${name} ${option}`.trim())).toEqual(help);
    }
  },
);

test("help of a control command, or of its first word, explains what ctl sends", async () => {
  expect((await run("help set status")).out).toStartWith(
    "hapgent ctl [@SERVICE] set status STATUS [REASON]\n",
  );
  // It is none that ctl sends.
  expect((await run("help hold")).out).toStartWith("[@SERVICE] hold WHO\n");
  const { out } = await run("help show");
  expect(out.match(/^hapgent ctl \[@SERVICE\] show \w+$/gm)).toHaveLength(3);
});

const EXPECTED = "expected a command, --help, --version or nothing";

test.each([
  // All usages are shown.
  ["start", "", `${EXPECTED}, got "start"`],
  ["chekc a", "", `${EXPECTED}, got "chekc a" (did you mean check?)`],
  ["wait 30", "", `${EXPECTED}, got "wait 30" (did you mean ctl wait?)`],
  ["help relaod", "", `${EXPECTED}, got "relaod" (did you mean reload?)`],
  ["hold anna", "", `${EXPECTED}, got "hold anna"`],
  // That command's.
  ["check --config a", "check", "check: expected neither a FILE nor --json with --config"],
  ["check --jsom", "check", 'check: unknown option "--jsom" (did you mean --json?)'],
  [
    "ctl set --json",
    "ctl",
    'ctl: options go before the command, got "--json" in it (-- before the command makes it a word)',
  ],
  ["status a b", "status", 'status: expected one HOST[:PORT], got "a b"'],
  ["status nowhere:", "status", 'status: expected HOST[:PORT] or [IPV6][:PORT], got "nowhere:"'],
  ["status --instance web a:1", "status", 'status: expected a port or --instance, got both: "a:1"'],
  ["status --wait -5", "status", 'status: --wait: expected seconds from 0 to 99999, got "-5"'],
  ["status --send --json", "status", 'status: expected --send NAME, got "--send --json"'],
  ["check --json=yes a", "check", 'check: expected --json, got "--json=yes"'],
  ["status --send=", "status", 'status: --send: expected the name of a service, got ""'],
  ["status --send ../a", "status", 'status: --send: expected the name of a service, got "../a"'],
])("%s is one line, the usage of %j and exit code 2", async (line, name, message) => {
  const { code, out, err } = await run(line);
  expect({ code, out }).toEqual({ code: 2, out: "" });
  const usages = listUsages().flatMap(({ term }) =>
    term.startsWith(`hapgent ${name}`.trim()) ? term : [],
  );
  expect(err).toBe(`hapgent: ${message}\nusage: ${usages.join("\n       ")}`);
});

test("ctl alone shows what it can send", async () => {
  const { out: help } = await run("help ctl");
  const err = `hapgent: ctl: expected a control command\nusage: ${help}`;
  expect(await run("ctl")).toEqual({ code: 2, out: "", err });
});

test("a wrong variable that a command reads is refused; it ignores the others", async () => {
  const err = 'hapgent: HAPGENT_PORT: expected an integer from 1 to 65535, got "0"';
  const env = { HAPGENT_PORT: "0" };
  expect(await run("status 127.0.0.1", env)).toEqual({ code: 2, out: "", err });
  expect((await run("check", env)).code).not.toBe(2);
});

test.each<[string, Record<string, string>, string]>([
  ["a --expect UP,MIANT", {}, 'status: --expect: expected .* "MIANT" \\(did you mean MAINT\\?\\)'],
  ["--expect=UP --frob", {}, 'status: unknown option "--frob"'],
  ["--expect UP", { HAPGENT_PORT: "0" }, 'HAPGENT_PORT: expected .*, got "0"'],
])("status %s with %j is a probe that does not know", async (line, env, message) => {
  const out = expect.stringMatching(new RegExp(`^UNKNOWN: ${message}$`));
  expect(await run(`status ${line}`, env)).toEqual({ code: 3, out, err: "" });
});
