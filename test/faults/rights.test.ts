// A save never gives anybody more rights than owner and mode of the file gave before: what cannot be
// kept (owner, group rights) goes, and is logged. That they stay where they can is test/state/replace.
import { expect, test } from "bun:test";
import { statSync } from "node:fs";
import { startAgent } from "../../scripts/lib/agent.ts";
import { capture } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { formatState } from "../../src/state/state.ts";
import { inShell, startIn, UNPRIVILEGED } from "./launchers.ts";

test.each([
  [
    "of the file goes with a save, and its mask is the group's right",
    'setfacl --set u::rw,g::---,u:1000:rw,o::---,m::rw "$0"',
    /\nuser::rw-\ngroup::rw-\nother::---\s*$/,
  ],
  [
    "of its directory (default) gives nobody more than all have",
    'setfacl -m d:u::rwx,d:g::rwx,d:u:1000:rwx,d:o::--- "$(dirname "$0")"',
    /mask::r--/,
  ],
])("an access control list %s", async (_, script, rights) => {
  await using agent = await startAgent({ state: { status: "UP" }, socket: true });
  expect(Bun.spawnSync(["sh", "-c", script, agent.stateFile]).exitCode).toBe(0);
  expect((await agent.ctl("set", "status", "DOWN")).stdout).toBe("ok saved: DOWN\n");
  const list = capture(["getfacl", "--absolute-names", "--numeric", agent.stateFile]);
  expect(list).toMatch(rights);
});

/** Launches an agent without privilege in a directory of its own, with a file of root's. */
const beside = (script: string) => [
  ...inShell(
    `printf '{"status":"UP","weight":5}' > state.json; chown 65534 .; ${script} state.json`,
  ),
  ...UNPRIVILEGED,
];

const REPLACED = /saved with another owner or mode .*old="owner (0:\d+, mode \d+)"/;

test.each<[string, RegExp, uid: number, mode: number]>([
  ["0:65534, mode 640", REPLACED, 65534, 0o600],
  ["0:0, mode 664", REPLACED, 65534, 0o644],
  ["0:0, mode 666", /saved in place, not atomically .*\(EPERM\)/, 0, 0o666],
])("root's file (%s) is saved, in place where it may be, and nobody gets more", async (...file) => {
  const [rights, line, user, left] = file;
  const [owner = "", octal = ""] = rights.split(", mode ");
  using directory = temporaryDirectory();
  const launcher = beside(`chmod ${octal} state.json; chown ${owner}`);
  await using agent = await startIn(directory.path, launcher);
  agent.signal("SIGUSR2");
  const [, old = rights] = line.exec(await agent.logs(line)) ?? [];
  expect(old).toBe(rights);
  expect(agent.file()).toBe(formatState({ status: "DOWN", weight: 5 }));
  const { uid, mode } = statSync(agent.stateFile);
  expect([uid, mode & 0o7777]).toEqual([user, left]);
});

test("root's file that one may not read is set aside, with its owner and its rights", async () => {
  using directory = temporaryDirectory();
  await using agent = await startIn(directory.path, beside("chmod 600"));
  agent.signal("SIGUSR2");
  await agent.logs(/set aside/);
  expect(agent.file()).toBe(formatState({ status: "DOWN" }));
  const { uid, mode } = statSync(`${agent.stateFile}.rejected`);
  expect([uid, mode & 0o7777]).toEqual([0, 0o600]);
});
