// `check` prints the reply of each state file, warns where HAProxy reads a state differently from
// what its author may expect, and names every problem where an editor finds it.
import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { outcome, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { NAME_RULE } from "../../src/sent.ts";
import type { ReplyMode } from "../../src/state/reply.ts";
import type { State } from "../../src/state/state.ts";
import { run } from "./captured.ts";

/** Runs `check` with a state file of this text: `FILE`, also in what is printed. */
async function check(text: string, options = "FILE", env = {}) {
  using directory = temporaryDirectory();
  const file = `${directory.path}/state.json`;
  writeFileSync(file, text);
  const { code, out, err } = await run(`check ${options.replace("FILE", file)}`, env);
  return { code, out: out.replaceAll(file, "FILE"), err: err.replaceAll(file, "FILE") };
}

const READY = "READY does not undo DOWN, FAIL or STOPPED: only UP does";
const REASON = "the reason is not shown: HAProxy takes one with UP, DOWN, FAIL and STOPPED only";
const ZERO = "weight 0 takes the server out of rotation";
const SHARE = "a share of a configured `weight 1` below 100% is 0: configure `weight 100`";
const NO_LIMIT = "maxconn 0 is no limit";

test.each<[State, ReplyMode, string, string[]]>([
  [{ status: "FAIL", weight: 100, maxconn: 1, reason: "y" }, "exact", "FAIL 100% maxconn:1 #y", []],
  [{ status: "READY" }, "full", "ready up 100%", []],
  [{ status: "DRAIN", reason: "why" }, "exact", "DRAIN", [REASON]],
  [{ status: "DRAIN", reason: "why" }, "full", "up drain 100% #why", []],
  [{ status: "MAINT", reason: "why" }, "full", "maint 100%", [REASON]],
  [{ status: "MAINT", reason: "" }, "full", "maint 100%", []],
  [{ status: "DOWN", weight: 0 }, "exact", "DOWN 0%", [ZERO]],
  [{ status: "DOWN", weight: 1 }, "exact", "DOWN 1%", [SHARE]],
  [{ status: "DOWN", weight: 99 }, "full", "ready down 99%", [SHARE]],
  [{ status: "READY", reason: "a" }, "exact", "READY", [READY, REASON]],
])("of %j in mode %s it prints %j and the warnings %j", async (state, mode, reply, warnings) => {
  const out = [reply, ...warnings.map((warning) => `warning: ${warning}`)].join("\n");
  const printed = { code: 0, out, err: "" };
  expect(await check(JSON.stringify(state), "FILE", { HAPGENT_REPLY: mode })).toEqual(printed);
});

test.each([
  [
    '{"status":"UP","weight":300,"wait":1}',
    "FILE: weight: expected an integer from 0 to 255, got 300\n" +
      'FILE: "wait": expected no field but status, weight, maxconn, reason',
  ],
  ['{"status":"UP",}', 'FILE:1:16: expected a property name, got "}" (trailing comma)'],
])("of %j each problem is a line after the file's name", async (text, err) => {
  expect(await check(text)).toEqual({ code: 1, out: "", err });
});

test("of several files each is named, and with --json a line", async () => {
  const text = '{"status":"UP","maxconn":0}';
  const missing = "no such file or directory (ENOENT)";
  expect(await check(text, "FILE /nowhere")).toEqual({
    code: 1,
    out: `FILE: UP maxconn:0\nFILE: warning: ${NO_LIMIT}`,
    err: `/nowhere: ${missing}`,
  });
  const { code, out } = await check(text, "--json FILE /nowhere");
  expect([code, ...out.split("\n").map((line) => JSON.parse(line))]).toEqual([
    1,
    { ok: true, file: "FILE", reply: "UP maxconn:0", warnings: [NO_LIMIT], problems: [] },
    { ok: false, file: "/nowhere", warnings: [], problems: [missing] },
  ]);
});

test("a file's name is printed so that no terminal obeys it", async () => {
  const name = "/nowhere/\u001b[31m\n\u009b1m";
  for (const option of ["", "--json "]) {
    const { out, err } = await run(`check ${option}${name}`);
    expect(out + err).toMatch(/^[ -~]*\/nowhere\/\\u001b[ -~]*\\u009b1m[ -~]*$/);
  }
});

test("without a file the agent's own is checked, and those of its services", async () => {
  using directory = temporaryDirectory();
  const [file, services] = [`${directory.path}/state.json`, `${directory.path}/services`];
  mkdirSync(services);
  writeFileSync(file, '{"status":"DOWN"}');
  writeFileSync(`${services}/web.json`, '{"status":"UP"}');
  for (const name of ["-a.json", ".hidden.json", "web.json.old"]) {
    writeFileSync(`${services}/${name}`, "no state");
  }
  const env = { HAPGENT_STATE_FILE: file, HAPGENT_SERVICES: services };
  expect(await run("check", env)).toEqual({
    code: 0,
    out: [
      `${file}: ready down 100%`,
      `${services}/-a.json: warning: the agent ignores it: expected a name of ${NAME_RULE}`,
      `${services}/web.json: ready up 100%`,
    ].join("\n"),
    err: "",
  });
  for (const [directory, why] of [
    ["/nowhere", "no such file or directory (ENOENT)"],
    [file, "not a directory (ENOTDIR)"],
  ]) {
    expect(await run("check", { ...env, HAPGENT_SERVICES: `${directory}` })).toEqual({
      code: 1,
      out: `${file}: ready down 100%`,
      err: `${directory}: ${why}`,
    });
  }
});

test.each([
  [{ HAPGENT_PORT: "80" }, 0, "ok", /^$/],
  [{ HAPGENT_SOKET: "/a" }, 0, "ok", /^warning: .* HAPGENT_SOKET \(did you mean HAPGENT_SOCKET/],
  [{ HAPGENT_POLLERS: "lb1" }, 2, "", /^hapgent: HAPGENT_POLLERS: expected .*, got "lb1"$/],
])("--config checks the variables %j as a start would: %i", async (env, code, out, err) => {
  const own = { LISTEN_PID: "a socket's, meant for the agent" };
  const printed = { code, out, err: expect.stringMatching(err) };
  expect(await run("check --config", { ...own, ...env })).toEqual(printed);
});

// In a process of its own, as standard input is one of a process.
test.each([
  ["UTF-16", "\ufeff" + '{"status":"DOWN"}', '"$@" < "$0"', "DOWN", ""],
  [
    "too much",
    "x".repeat(40_000),
    'cat "$0" | "$@"',
    "",
    "-: expected at most 65536 bytes, got more",
  ],
])("check - reads standard input as it reads a file: %s", async (...[, text, shell, out, err]) => {
  using directory = temporaryDirectory();
  const file = `${directory.path}/state.json`;
  writeFileSync(file, text, "utf16le");
  const command = ["sh", "-c", shell, file, process.execPath, `${ROOT}src/main.ts`, "check", "-"];
  const { stdout, stderr, exitCode } = await outcome(command, { isClean: true });
  const ended = [stdout.trimEnd(), stderr.trimEnd(), exitCode];
  expect(ended).toEqual([out, err, err === "" ? 0 : 1]);
});
