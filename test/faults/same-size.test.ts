// A file that is watched may change and look as it did before; the next check knows all the same:
// - same size and same time, as `cp -p`, tar and rsync leave them, in place or as a new file;
// - on a file system that keeps coarse times, one edit after another within one tick.
import { expect, test } from "bun:test";
import { rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { type AgentProcess, startAgent } from "../../scripts/lib/agent.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { expectReply, isSlow } from "../contract/driver.ts";
import { inMounts, inside } from "./launchers.ts";
import { times } from "./scale.ts";

const WATCH = { ...TUNED, HAPGENT_WATCH: "on" };

/** Edits one after another: the check after each is answered so, and nothing else is logged. */
async function edit(agent: AgentProcess, edits: number, write: (text: string) => void) {
  for (let i = 0; i < edits; i += 1) {
    const weight = 100 + (i % 100);
    write(JSON.stringify({ status: "UP", weight }));
    await expectReply(agent, `UP ${weight}%\n`);
  }
  const isExpected = (line: string) => isSlow(line) || /listening|state cause=file/.test(line);
  expect(agent.log.filter((line) => !isExpected(line))).toEqual([]);
}

test.each(["in place", "as a new file"])("a copy that keeps size and time, %s", async (how) => {
  await using agent = await startAgent({ state: { status: "UP", weight: 200 }, env: WATCH });
  const file = agent.stateFile;
  const { atime, mtime } = statSync(file);
  const write = (text: string) => {
    if (how !== "in place") rmSync(file);
    writeFileSync(file, text);
    utimesSync(file, atime, mtime);
  };
  await edit(agent, times(1000, 300), write);
});

test("edits of the same size within one tick of coarse times", async () => {
  using directory = temporaryDirectory();
  const path = `${directory.path}/state.json`;
  const launcher = inMounts(`mount -t ramfs none ${directory.path}
    printf '%s' '{"status":"UP","weight":200}' > ${path}`);
  await using agent = await startAgent({ stateFile: path, launcher, env: WATCH });
  const file = inside(agent, path);
  const write = (text: string) => writeFileSync(file, text);
  await edit(agent, times(4000, 300), write);
});
