// `check` prints the reply of each state file, warns where HAProxy reads a state differently from
// what its author may expect, and names every problem where an editor finds it.
import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { outcome, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { findWarnings } from "../../src/commands/lint.ts";
import { NAME_RULE } from "../../src/sent.ts";
import type { ReplyMode } from "../../src/state/reply.ts";
import type { State } from "../../src/state/state.ts";
import { anyState } from "../arbitraries.ts";
import { run } from "./captured.ts";

const READY = "READY does not undo DOWN, FAIL or STOPPED: only UP does";
const REASON = "the reason is not shown: HAProxy takes one with UP, DOWN, FAIL and STOPPED only";
const ZERO = "weight 0 takes the server out of rotation";
const SHARE = "a share of a configured `weight 1` below 100% is 0: configure `weight 100`";
const NO_LIMIT = "maxconn 0 is no limit";

describe("findWarnings", () => {
  test.each<[State, ReplyMode, string[]]>([
    [{ status: "DOWN" }, "exact", []],
    [{ status: "FAIL", weight: 100, maxconn: 1, reason: "why" }, "exact", []],
    [{ status: "DRAIN" }, "exact", []],
    [{ status: "READY" }, "exact", [READY]],
    [{ status: "READY" }, "full", []],
    [{ status: "UP" }, "exact", []],
    [{ status: "UP" }, "full", []],
    [{ status: "DRAIN", reason: "why" }, "exact", [REASON]],
    [{ status: "DRAIN", reason: "why" }, "full", []],
    [{ status: "MAINT", reason: "why" }, "full", [REASON]],
    [{ status: "MAINT", reason: "" }, "full", []],
    [{ status: "DOWN", weight: 0 }, "exact", [ZERO]],
    [{ status: "DOWN", weight: 1 }, "exact", [SHARE]],
    [{ status: "DOWN", weight: 99 }, "full", [SHARE]],
    [{ status: "DOWN", weight: 255 }, "exact", []],
    [{ status: "DOWN", maxconn: 0 }, "exact", [NO_LIMIT]],
    [
      { status: "READY", weight: 50, maxconn: 0, reason: "a" },
      "exact",
      [READY, REASON, SHARE, NO_LIMIT],
    ],
  ])("of %j in mode %s are %j", (state, mode, warnings) => {
    expect(findWarnings(state, mode)).toEqual(warnings);
  });

  test("with full replies are never about what sticks", () => {
    fc.assert(
      fc.property(anyState, (state) => {
        const warnings = findWarnings(state, "full");
        expect(warnings).not.toContain(READY);
      }),
    );
  });
});

test("a state file is its reply and its warnings; with full replies, the full one", async () => {
  using directory = temporaryDirectory();
  const file = `${directory.path}/state.json`;
  writeFileSync(file, '{"status":"READY","weight":50,"reason":"back"}');
  const lines = ["READY 50%", ...[READY, REASON, SHARE].map((warning) => `warning: ${warning}`)];
  const printed = { code: 0, out: lines.join("\n"), err: "" };
  expect(await run(`check ${file}`)).toEqual(printed);
  expect(await run("check", { HAPGENT_STATE_FILE: file })).toEqual(printed);
  const full = await run(`check ${file}`, { HAPGENT_REPLY: "full" });
  expect(full.out).toBe(`ready up 50% #back\nwarning: ${SHARE}`);
});

test.each([
  [
    '{"status":"up","weight":300,"wait":1}',
    [
      ': status: expected one of UP, DOWN, READY, DRAIN, FAIL, MAINT, STOPPED, got "up" (did you mean UP?)',
      ": weight: expected an integer from 0 to 255, got 300",
      ': "wait": expected no field but status, weight, maxconn, reason',
    ],
  ],
  ['{"status":"UP",}', [':1:16: expected a property name, got "}" (trailing comma)']],
])("of %j each problem is a line after the file's name", async (text, problems) => {
  using directory = temporaryDirectory();
  const file = `${directory.path}/state.json`;
  writeFileSync(file, text);
  const err = problems.map((problem) => `${file}${problem}`).join("\n");
  expect(await run(`check ${file}`)).toEqual({ code: 1, out: "", err });
});

test("of several files each is named, and with --json a line", async () => {
  using directory = temporaryDirectory();
  const good = `${directory.path}/good.json`;
  writeFileSync(good, '{"status":"UP","maxconn":0}');
  const missing = "no such file or directory (ENOENT)";
  expect(await run(`check ${good} /nowhere`)).toEqual({
    code: 1,
    out: `${good}: UP maxconn:0\n${good}: warning: ${NO_LIMIT}`,
    err: `/nowhere: ${missing}`,
  });
  const { code, out } = await run(`check --json ${good} /nowhere`);
  expect(code).toBe(1);
  expect(out.split("\n").map((line) => JSON.parse(line))).toEqual([
    { ok: true, file: good, reply: "UP maxconn:0", warnings: [NO_LIMIT], problems: [] },
    { ok: false, file: "/nowhere", warnings: [], problems: [missing] },
  ]);
});

test.each(["/", "/dev/zero"])("%s is no state file", async (file) => {
  expect(await run(`check ${file}`)).toMatchObject({
    code: 1,
    err: `${file}: expected a regular file`,
  });
});

test("the state that is shipped has no warning", async () => {
  const printed = { code: 0, out: "UP", err: "" };
  expect(await run(["check", `${ROOT}deploy/state.json`])).toEqual(printed);
});

test("without a file the agent's own is checked, and those of its services", async () => {
  using directory = temporaryDirectory();
  const [file, services] = [`${directory.path}/state.json`, `${directory.path}/services`];
  mkdirSync(services);
  writeFileSync(file, '{"status":"DOWN"}');
  writeFileSync(`${services}/web.json`, '{"status":"UP"}');
  writeFileSync(`${services}/api.json`, '{"status":"UP"}');
  for (const name of ["-a.json", ".hidden.json", "web.json.old"]) {
    writeFileSync(`${services}/${name}`, "no state");
  }
  expect(await run("check", { HAPGENT_STATE_FILE: file })).toMatchObject({ out: "DOWN" });
  const env = { HAPGENT_STATE_FILE: file, HAPGENT_SERVICES: services };
  expect(await run("check", env)).toEqual({
    code: 0,
    out: [
      `${file}: ready down 100%`,
      `${services}/-a.json: warning: the agent ignores it: expected a name of ${NAME_RULE}`,
      `${services}/api.json: ready up 100%`,
      `${services}/web.json: ready up 100%`,
    ].join("\n"),
    err: "",
  });
  expect(await run("check", { ...env, HAPGENT_SERVICES: "/nowhere" })).toEqual({
    code: 1,
    out: `${file}: ready down 100%`,
    err: "/nowhere: no such file or directory (ENOENT)",
  });
});

test("--config checks the variables as a start would, and no file", async () => {
  const good = { HAPGENT_PORT: "80", LISTEN_PID: "a socket's, meant for the agent" };
  expect(await run("check --config", good)).toEqual({ code: 0, out: "ok", err: "" });
  expect(await run("check --config", { ...good, HAPGENT_SOKET: "/run/x" })).toEqual({
    code: 0,
    out: "ok",
    err: "warning: unknown variable HAPGENT_SOKET (did you mean HAPGENT_SOCKET?)",
  });
  expect(await run("check --config", { ...good, HAPGENT_POLLERS: "lb1" })).toEqual({
    code: 2,
    out: "",
    err:
      "hapgent: HAPGENT_POLLERS: expected an IPv4 or IPv6 address or a network (10.1.0.0/16), " +
      'got "lb1"',
  });
});

// In a process of its own, as standard input is one of a process.
describe("check - reads standard input", () => {
  const command = [process.execPath, `${ROOT}src/main.ts`, "check", "-"];

  test.each([
    ['{"status":"UP"}'.padEnd(65_536), { stdout: "UP\n", stderr: "", exitCode: 0 }],
    [
      '{"status":"UP"}\u00e9',
      { stdout: "", stderr: '-:1:16: expected the end of the file, got "\u00e9"\n', exitCode: 1 },
    ],
  ])("up to 64 KiB (%#)", async (input, expected) => {
    expect(await outcome(command, { input, isClean: true })).toEqual(expected);
  });

  test("and no more of it", async () => {
    const endless = ["sh", "-c", '"$@" < /dev/zero', "sh", ...command];
    const stderr = "-: expected at most 65536 bytes, got more\n";
    expect(await outcome(endless, { isClean: true })).toEqual({ stdout: "", stderr, exitCode: 1 });
  });

  test.each<BufferEncoding>(["utf8", "utf16le"])(
    "in %s with a byte order mark",
    async (encoding) => {
      using directory = temporaryDirectory();
      const file = `${directory.path}/state.json`;
      writeFileSync(file, "\ufeff" + '{"status":"DOWN"}', encoding);
      const read = ["sh", "-c", '"$@" < "$0"', file, ...command];
      const printed = { stdout: "DOWN\n", stderr: "", exitCode: 0 };
      expect(await outcome(read, { isClean: true })).toEqual(printed);
      // As the file itself is read.
      expect(await run(`check ${file}`)).toMatchObject({ code: 0, out: "DOWN" });
    },
  );
});
