// A file that is watched may change and look as it did before; the next check knows all the same:
// - same size and same time, as `cp -p`, tar and rsync leave them, in place or as a new file;
// - on a file system that keeps coarse times, one edit after another within one tick.
import { expect, test } from "bun:test";
import { rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { type AgentProcess, startAgent } from "../../scripts/lib/agent.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { inMounts, inside } from "./launchers.ts";
import { times } from "./scale.ts";

const WATCH = { ...TUNED, HAPGENT_WATCH: "on" };

/** What came of edits: the replies that were not the last edit's, and the log of anything else. */
const NOTHING_STALE = { stale: [], log: [] };

/** Edits one after another, a check after each. */
async function edit(agent: AgentProcess, edits: number, write: (text: string) => void) {
  const stale: string[] = [];
  for (let i = 0; i < edits; i += 1) {
    const weight = 100 + (i % 100);
    write(JSON.stringify({ status: "UP", weight }));
    const reply = await agent.ask();
    if (reply === `UP ${weight}%\n`) continue;
    // On a machine that stands still for 0.2 s the last state stays, which is logged.
    const late = agent.log.findIndex((line) => line.includes("state file does not answer"));
    if (late < 0) stale.push(`edit ${i}: ${reply}`);
    else agent.log.splice(late, 1);
    await agent.answers(`UP ${weight}%\n`);
  }
  return { stale, log: agent.log.filter((line) => !/listening|state cause=file/.test(line)) };
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
  expect(await edit(agent, times(1000, 300), write)).toEqual(NOTHING_STALE);
});

test("edits of the same size within one tick of coarse times", async () => {
  using directory = temporaryDirectory();
  const path = `${directory.path}/state.json`;
  const launcher = inMounts(`mount -t ramfs none ${directory.path}
    printf '%s' '{"status":"UP","weight":200}' > ${path}`);
  await using agent = await startAgent({ stateFile: path, launcher, env: WATCH });
  const file = inside(agent, path);
  const write = (text: string) => writeFileSync(file, text);
  expect(await edit(agent, times(4000, 300), write)).toEqual(NOTHING_STALE);
});
