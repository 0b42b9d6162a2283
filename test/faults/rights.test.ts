// A save never gives anybody more rights than owner and mode of the file gave before:
// - they stay, also where a group has rights of its own, and the file is replaced all the same;
// - what cannot be kept (owner, group rights) goes, and is logged.
import { expect, test } from "bun:test";
import { chmodSync, chownSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { startAgent } from "../../scripts/lib/agent.ts";
import { capture } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { formatState } from "../../src/state/state.ts";
import { executableForAll, inShell, UNPRIVILEGED } from "./launchers.ts";

test.each([0o600, 0o640, 0o660, 0o664])("owner and mode %o stay, in a new file", async (mode) => {
  await using agent = await startAgent({ state: { status: "UP" }, socket: true, env: TUNED });
  const file = agent.stateFile;
  chmodSync(file, mode);
  chownSync(file, 65534, 65534);
  const { ino } = statSync(file);
  expect((await agent.ctl("set", "status", "DOWN")).stdout).toBe("ok saved: DOWN\n");
  const now = statSync(file);
  expect([now.uid, now.gid, now.mode & 0o7777]).toEqual([65534, 65534, mode]);
  expect(now.ino).not.toBe(ino);
});

test("an access control list goes with a save, and its mask is the group's right", async () => {
  await using agent = await startAgent({ state: { status: "UP" }, socket: true, env: TUNED });
  const list = "u::rw,g::---,u:1000:rw,o::---,m::rw";
  expect(Bun.spawnSync(["setfacl", "--set", list, agent.stateFile]).exitCode).toBe(0);
  expect((await agent.ctl("set", "status", "DOWN")).stdout).toBe("ok saved: DOWN\n");
  const rights = capture(["getfacl", "--absolute-names", "--numeric", agent.stateFile]);
  expect(rights).toContain("user::rw-\ngroup::rw-\nother::---");
  expect(rights).not.toContain("1000");
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
