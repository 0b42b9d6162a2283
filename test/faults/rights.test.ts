// A save never gives anybody more rights than owner and mode of the file gave before: what cannot be
// kept (owner, group rights) goes, and is logged. That they stay where they can is test/state/replace.
import { expect, test } from "bun:test";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { type AgentProcess, startAgent } from "../../scripts/lib/agent.ts";
import { capture } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { formatState } from "../../src/state/state.ts";
import { executableForAll, inShell, UNPRIVILEGED } from "./launchers.ts";

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
  await using agent = await startAgent({ state: { status: "UP" }, socket: true, env: TUNED });
  expect(Bun.spawnSync(["sh", "-c", script, agent.stateFile]).exitCode).toBe(0);
  expect((await agent.ctl("set", "status", "DOWN")).stdout).toBe("ok saved: DOWN\n");
  const list = capture(["getfacl", "--absolute-names", "--numeric", agent.stateFile]);
  expect(list).toMatch(rights);
});

/** Starts an agent without privilege in a directory of its own, with a file of root's. */
async function startBeside(file: string, script: string): Promise<AgentProcess> {
  writeFileSync(file, '{"status":"UP","weight":5}');
  const launcher = [
    ...inShell(`chown 65534 $(dirname ${file}); ${script} ${file}`),
    ...UNPRIVILEGED,
  ];
  const executable = executableForAll();
  return await startAgent({ stateFile: file, executable, launcher, env: TUNED });
}

test.each([
  ["0:65534", 0o640, 0o600],
  ["0:0", 0o644, 0o644],
  ["0:0", 0o664, 0o644],
])("root's file of group %s and mode %o is replaced, and nobody gets more", async (...file) => {
  const [owner, mode, left] = file;
  using directory = temporaryDirectory();
  const path = `${directory.path}/state.json`;
  const octal = mode.toString(8);
  await using agent = await startBeside(path, `chmod ${octal} ${path}; chown ${owner}`);
  agent.signal("SIGUSR2");
  const line = await agent.logs(/saved with another owner or mode/);
  expect(line).toContain(`old="owner ${owner}, mode ${octal}"`);
  expect(readFileSync(path, "utf8")).toBe(formatState({ status: "DOWN", weight: 5 }));
  const { uid, mode: now } = statSync(path);
  expect([uid, now & 0o7777]).toEqual([65534, left]);
});

test("root's file that one may not read is set aside, with its owner and its rights", async () => {
  using directory = temporaryDirectory();
  const path = `${directory.path}/state.json`;
  await using agent = await startBeside(path, "chmod 600");
  agent.signal("SIGUSR2");
  await agent.logs(/set aside/);
  expect(readFileSync(path, "utf8")).toBe(formatState({ status: "DOWN" }));
  const { uid, mode } = statSync(`${path}.rejected`);
  expect([uid, mode & 0o7777]).toEqual([0, 0o600]);
});
