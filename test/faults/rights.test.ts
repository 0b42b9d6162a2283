// A save never gives anybody more rights than the file gave before:
// - access control lists and extended attributes stay, where the group has rights of its own;
// - what cannot be kept (owner, group rights) goes, and is logged.
import { expect, test } from "bun:test";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { startAgent } from "../../scripts/lib/agent.ts";
import { capture } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { formatState } from "../../src/state/state.ts";
import { executableForAll, inShell, UNPRIVILEGED } from "./launchers.ts";

/** Rights of a file, by setfacl's words. */
const LISTS: [string, string][] = [
  ["a user may write that its group may not read", "u::rw,g::---,u:1000:rw,o::---"],
  ["a group may read that its own may not", "u::rw,g::---,g:1000:r,o::---"],
];

test.each(LISTS)("an access control list and attributes stay: %s", async (_, list) => {
  await using agent = await startAgent({ state: { status: "UP" }, socket: true, env: TUNED });
  const file = agent.stateFile;
  expect(Bun.spawnSync(["setfacl", "--set", `${list},m::rw`, file]).exitCode).toBe(0);
  expect(Bun.spawnSync(["setfattr", "-n", "user.note", "-v", "mine", file]).exitCode).toBe(0);
  const rights = () => capture(["getfacl", "--absolute-names", "--numeric", file]);
  const before = rights();
  expect(before).toContain("mask::rw-");
  for (const status of ["DOWN", "MAINT"] as const) {
    expect((await agent.ctl("set", "status", status)).stdout).toStartWith("ok saved in place");
    expect(agent.file()).toBe(formatState({ status }));
    expect(rights()).toBe(before);
  }
  expect(capture(["getfattr", "--only-values", "-n", "user.note", file])).toBe("mine");
});

test("a default list of the directory gives nobody more than all have", async () => {
  using directory = temporaryDirectory();
  const file = `${directory.path}/state.json`;
  writeFileSync(file, '{"status":"UP"}', { mode: 0o644 });
  const list = "d:u::rwx,d:g::rwx,d:u:1000:rwx,d:o::---";
  expect(Bun.spawnSync(["setfacl", "-m", list, directory.path]).exitCode).toBe(0);
  await using agent = await startAgent({ stateFile: file, socket: true, env: TUNED });
  expect((await agent.ctl("set", "status", "DOWN")).stdout).toBe("ok saved: DOWN\n");
  expect(capture(["getfacl", "--absolute-names", "--numeric", file])).toContain("mask::r--");
});

test.each([
  [0o640, "0:65534", 0o600],
  [0o664, "0:0", 0o644],
])("root's file of mode %o in a directory of one's own is replaced", async (mode, owner, left) => {
  using directory = temporaryDirectory();
  const file = `${directory.path}/state.json`;
  writeFileSync(file, '{"status":"UP","weight":5}');
  const launcher = [
    ...inShell(
      `chmod ${mode.toString(8)} ${file}; chown ${owner} ${file}; chown 65534 ${directory.path}`,
    ),
    ...UNPRIVILEGED,
  ];
  const executable = executableForAll();
  await using agent = await startAgent({ stateFile: file, executable, launcher, env: TUNED });
  agent.signal("SIGUSR2");
  await agent.logs(/saved with another owner or mode/);
  expect(agent.log.join("\n")).toContain(`old="owner ${owner}, mode ${mode.toString(8)}"`);
  expect(readFileSync(file, "utf8")).toBe(formatState({ status: "DOWN", weight: 5 }));
  const { uid, mode: now } = statSync(file);
  expect([uid, now & 0o7777]).toEqual([65534, left]);
});

test("root's file that one may not read is set aside, with its owner and its rights", async () => {
  using directory = temporaryDirectory();
  const file = `${directory.path}/state.json`;
  writeFileSync(file, '{"status":"UP","weight":5}', { mode: 0o600 });
  const launcher = [...inShell(`chown 65534 ${directory.path}`), ...UNPRIVILEGED];
  const executable = executableForAll();
  await using agent = await startAgent({ stateFile: file, executable, launcher, env: TUNED });
  agent.signal("SIGUSR2");
  await agent.logs(/set aside/);
  expect(readFileSync(file, "utf8")).toBe(formatState({ status: "DOWN" }));
  expect(readFileSync(`${file}.rejected`, "utf8")).toBe('{"status":"UP","weight":5}');
  const { uid, mode } = statSync(`${file}.rejected`);
  expect([uid, mode & 0o7777]).toEqual([0, 0o600]);
});
