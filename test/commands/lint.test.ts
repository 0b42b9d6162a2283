// `check` prints the reply of each state file, warns where HAProxy reads a state differently from
// what its author may expect, and names every problem where an editor finds it.
import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { outcome, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { findWarnings } from "../../src/commands/lint.ts";
import { NAME_RULE } from "../../src/sent.ts";
import type { ReplyMode } from "../../src/state/reply.ts";
import type { State } from "../../src/state/state.ts";
import { run } from "./captured.ts";

const READY = "READY does not undo DOWN, FAIL or STOPPED: only UP does";
const REASON = "the reason is not shown: HAProxy takes one with UP, DOWN, FAIL and STOPPED only";
const ZERO = "weight 0 takes the server out of rotation";
const SHARE = "a share of a configured `weight 1` below 100% is 0: configure `weight 100`";
const NO_LIMIT = "maxconn 0 is no limit";

test.each<[State, ReplyMode, string[]]>([
  [{ status: "FAIL", weight: 100, maxconn: 1, reason: "why" }, "exact", []],
  [{ status: "READY" }, "full", []],
  [{ status: "DRAIN", reason: "why" }, "exact", [REASON]],
  [{ status: "DRAIN", reason: "why" }, "full", []],
  [{ status: "MAINT", reason: "why" }, "full", [REASON]],
  [{ status: "MAINT", reason: "" }, "full", []],
  [{ status: "DOWN", weight: 0 }, "exact", [ZERO]],
  [{ status: "DOWN", weight: 1 }, "exact", [SHARE]],
  [{ status: "DOWN", weight: 99 }, "full", [SHARE]],
  [
    { status: "READY", weight: 50, maxconn: 0, reason: "a" },
    "exact",
    [READY, REASON, SHARE, NO_LIMIT],
  ],
])("the warnings of %j in mode %s are %j", (state, mode, warnings) => {
  expect(findWarnings(state, mode)).toEqual(warnings);
});

/** A state file with a text. */
function makeFile(text: string) {
  const directory = temporaryDirectory();
  const file = `${directory.path}/state.json`;
  writeFileSync(file, text);
  return { file, [Symbol.dispose]: () => directory[Symbol.dispose]() };
}

test("a state file is its reply and its warnings; with full replies, the full one", async () => {
  using made = makeFile('{"status":"READY","weight":50,"reason":"back"}');
  const lines = ["READY 50%", ...[READY, REASON, SHARE].map((warning) => `warning: ${warning}`)];
  const printed = { code: 0, out: lines.join("\n"), err: "" };
  expect(await run(`check ${made.file}`)).toEqual(printed);
  const full = await run("check", { HAPGENT_STATE_FILE: made.file, HAPGENT_REPLY: "full" });
  expect(full.out).toBe(`ready up 50% #back\nwarning: ${SHARE}`);
});

test("each problem is a line after the file's name, with the place where it is no JSON", async () => {
  using wrong = makeFile('{"status":"UP","weight":300,"wait":1}');
  const problems = [
    "weight: expected an integer from 0 to 255, got 300",
    '"wait": expected no field but status, weight, maxconn, reason',
  ];
  const err = problems.map((problem) => `${wrong.file}: ${problem}`).join("\n");
  expect(await run(`check ${wrong.file}`)).toEqual({ code: 1, out: "", err });
  using text = makeFile('{"status":"UP",}');
  const mistake = ':1:16: expected a property name, got "}" (trailing comma)';
  expect((await run(`check ${text.file}`)).err).toBe(text.file + mistake);
});

test("of several files each is named, and with --json a line", async () => {
  using made = makeFile('{"status":"UP","maxconn":0}');
  const missing = "no such file or directory (ENOENT)";
  expect(await run(`check ${made.file} /nowhere`)).toEqual({
    code: 1,
    out: `${made.file}: UP maxconn:0\n${made.file}: warning: ${NO_LIMIT}`,
    err: `/nowhere: ${missing}`,
  });
  const { code, out } = await run(`check --json ${made.file} /nowhere`);
  expect(code).toBe(1);
  expect(out.split("\n").map((line) => JSON.parse(line))).toEqual([
    { ok: true, file: made.file, reply: "UP maxconn:0", warnings: [NO_LIMIT], problems: [] },
    { ok: false, file: "/nowhere", warnings: [], problems: [missing] },
  ]);
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
  expect(await run("check --config", { ...good, HAPGENT_POLLERS: "lb1" })).toMatchObject({
    code: 2,
    err: expect.stringMatching(/^hapgent: HAPGENT_POLLERS: expected .*, got "lb1"$/),
  });
});

// In a process of its own, as standard input is one of a process.
test("check - reads standard input as it reads a file, and no more of it", async () => {
  const command = [process.execPath, `${ROOT}src/main.ts`, "check", "-"];
  using made = makeFile("");
  writeFileSync(made.file, "\ufeff" + '{"status":"DOWN"}', "utf16le");
  for (const [input, printed] of [
    [made.file, { stdout: "DOWN\n", stderr: "", exitCode: 0 }],
    [
      "/dev/zero",
      { stdout: "", stderr: "-: expected at most 65536 bytes, got more\n", exitCode: 1 },
    ],
  ] as const) {
    const read = ["sh", "-c", '"$@" < "$0"', input, ...command];
    expect(await outcome(read, { isClean: true })).toEqual(printed);
  }
  expect(await run(`check ${made.file}`)).toMatchObject({ code: 0, out: "DOWN" });
});
