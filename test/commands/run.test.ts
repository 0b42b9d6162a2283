// A command line: results on stdout, problems on stderr; 0 for good, 1 for bad, 2 with one line and
// the usage for a wrong command line. A monitor's probe says UNKNOWN instead, 3, on stdout.
import { describe, expect, test } from "bun:test";
import { listUsages } from "../../src/spec.ts";
import { run } from "./captured.ts";

test("hapgent prints version and help", async () => {
  expect(await run("--version")).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^hapgent \d/),
  });
  const help = await run("help");
  expect(help.out).toContain("\nEnvironment\n");
  expect(await run("--help")).toEqual(help);
  expect(await run("-h")).toEqual(help);
});

test.each(["check", "status", "ctl", "deploy", "help"])("%s --help is help %s", async (name) => {
  const help = await run(`help ${name}`);
  expect(help.out).toStartWith(`hapgent ${name} `);
  expect(help.out.includes("\n\nOptions\n  --")).toBe(name !== "help");
  expect(await run(`${name} --help`)).toEqual(help);
  // Whatever comes after it.
  const rest = name === "deploy" ? " rm -rf /nowhere" : "";
  expect(await run(`${name} -h${rest}`)).toEqual(help);
});

test("help of a control command, or of its first word, explains what ctl sends", async () => {
  expect((await run("help set status")).out).toStartWith(
    "hapgent ctl [@SERVICE] set status STATUS [REASON]\n",
  );
  const usages = ["state", "services", "pollers"].map(
    (noun) => `hapgent ctl [@SERVICE] show ${noun}`,
  );
  const { out } = await run("help show");
  expect(out.split("\n").filter((line) => line.startsWith("hapgent"))).toEqual(usages);
});

const EXPECTED = "expected a command, --help, --version or nothing";

describe("a wrong command line is one line, the usage and exit code 2:", () => {
  const usages = listUsages().map(({ term }) => term);

  test.each([
    ["start", `${EXPECTED}, got "start"`],
    ["chekc a", `${EXPECTED}, got "chekc a" (did you mean check?)`],
    ["wait 30", `${EXPECTED}, got "wait 30" (did you mean ctl wait?)`],
    ["help nothing", `${EXPECTED}, got "nothing"`],
    ["help relaod", `${EXPECTED}, got "relaod" (did you mean reload?)`],
  ])("%s shows all usages", async (line, message) => {
    const { code, out, err } = await run(line);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    const [first, ...rest] = err.split("\n");
    expect(first).toBe(`hapgent: ${message}`);
    expect(rest).toEqual(
      usages.map((usage, i) => (i === 0 ? `usage: ${usage}` : `       ${usage}`)),
    );
  });

  test.each([
    ["check --config a", "check: expected neither a FILE nor --json with --config"],
    ["ctl --wait 5", "ctl: Unknown option '--wait'"],
    ["status a b", 'status: expected one HOST[:PORT], got "a b"'],
    ["status nowhere:", 'status: expected HOST[:PORT] or [IPV6][:PORT], got "nowhere:"'],
    ["status --wait -5", "status: Option '--wait' argument is ambiguous"],
    ["status --send ../a", 'status: --send: expected the name of a service, got "../a"'],
  ])("%s shows that command's", async (line, message) => {
    const [name] = line.split(" ");
    const usage = usages.find((each) => each.startsWith(`hapgent ${name} `));
    const err = `hapgent: ${message}\nusage: ${usage}`;
    expect(await run(line)).toEqual({ code: 2, out: "", err });
  });

  test("ctl alone shows what it can send", async () => {
    const { out: help } = await run("help ctl");
    const err = `hapgent: ctl: expected a control command\nusage: ${help}`;
    expect(await run("ctl")).toEqual({ code: 2, out: "", err });
  });
});

test("a wrong variable that a command reads is refused; it ignores the others", async () => {
  const err = 'hapgent: HAPGENT_REPLY: expected exact or full, got "whole"';
  expect(await run("check", { HAPGENT_REPLY: "whole" })).toEqual({ code: 2, out: "", err });
  expect((await run("check", { HAPGENT_STOP_STATUS: "gone" })).code).not.toBe(2);
});

test.each<[string, Record<string, string>, string]>([
  [
    "a --expect UP,MIANT",
    {},
    "status: --expect: expected some of UP, DOWN, READY, DRAIN, FAIL, MAINT, STOPPED, " +
      'got "MIANT" (did you mean MAINT?)',
  ],
  ["--expect=UP --frob", {}, "status: Unknown option '--frob'"],
  [
    "--expect UP",
    { HAPGENT_PORT: "0" },
    'HAPGENT_PORT: expected an integer from 1 to 65535, got "0"',
  ],
])("status %s with %j is a probe that does not know", async (line, env, message) => {
  expect(await run(`status ${line}`, env)).toEqual({
    code: 3,
    out: `UNKNOWN: ${message}`,
    err: "",
  });
});
