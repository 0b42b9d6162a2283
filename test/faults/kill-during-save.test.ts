// Killed at any moment of a save, the state file is one whole state, and no temporary file
// outlives the next save.
import { expect, test } from "bun:test";
import { chmodSync, readdirSync, writeFileSync } from "node:fs";
import { startAgent } from "../../scripts/lib/agent.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { parseState, type State } from "../../src/state/state.ts";
import { BOUND_BY_PERMISSIONS, executableForAll, withInjected } from "./launchers.ts";
import { times } from "./scale.ts";

const KILLS = times(500, 60);

/**
 * A kill comes at most so long after the first signal, in milliseconds: a first save takes ten to
 * thirty, and most of the kills are to come after one.
 */
const LONGEST_MS = 90;

const STATE: State = { status: "UP", weight: 42, maxconn: 7 };

/** Longer than what a save writes, as a file that somebody has edited. */
const TEXT = JSON.stringify(STATE).padEnd(3000);

/** How a file is saved: the mode of its directory, and what binds the agent to that mode. */
const REPLACED = { how: "replaced", mode: 0o755, bound: [] };
const IN_PLACE = { how: "written in place", mode: 0o555, bound: BOUND_BY_PERMISSIONS };

test.each([REPLACED, IN_PLACE])(
  "SIGKILL at any moment of saves leaves one whole state (file $how)",
  async ({ how, mode, bound }) => {
    using directory = temporaryDirectory();
    const stateFile = `${directory.path}/state.json`;
    let [interrupted, acted, left] = [0, 0, 1];
    for (let kill = 0; kill < KILLS; kill += 1) {
      writeFileSync(stateFile, TEXT);
      chmodSync(directory.path, mode);
      await using agent = await startAgent({ stateFile, launcher: bound, env: TUNED });
      const end = performance.now() + Math.random() * LONGEST_MS;
      for (let i = 0; performance.now() < end; i += 1) {
        agent.signal(i % 2 ? "SIGUSR1" : "SIGUSR2");
        // Signals without a pause would leave it no time to save.
        await Bun.sleep(1);
      }
      await agent.stop("SIGKILL");
      const { status, ...kept } = parseState(agent.file());
      expect(status).toMatch(/^(UP|DOWN)$/);
      expect({ ...kept, status: "UP" }).toEqual(STATE);
      if (agent.file() !== TEXT) acted += 1;
      if (readdirSync(directory.path).length > left) interrupted += 1;
      left = readdirSync(directory.path).length;
    }
    // What the kills left is gone with the first save after them.
    await using next = await startAgent({ stateFile, launcher: bound, env: TUNED });
    next.signal("SIGUSR2");
    await until("tidy", () => String(readdirSync(directory.path)) === "state.json");
    console.log(
      `file ${how}: ${KILLS} kills, ${acted} after a save, ${interrupted} in the middle of the first`,
    );
    expect(acted).toBeGreaterThan(KILLS / 10);
  },
);

test.each([
  { ...REPLACED, call: "fchmod", status: "UP", left: true },
  { ...REPLACED, call: "fsync", status: "UP", left: true },
  { ...REPLACED, call: "rename", status: "UP", left: true },
  { ...IN_PLACE, call: "ftruncate", status: "DOWN", left: false },
])("killed as a save calls $call, the file is whole: $status", async (step) => {
  const { mode, bound, call, status, left } = step;
  using directory = temporaryDirectory();
  const stateFile = `${directory.path}/state.json`;
  writeFileSync(stateFile, TEXT);
  chmodSync(directory.path, mode);
  const launcher = [...bound, ...withInjected(`${call}:signal=KILL`)];
  const executable = executableForAll();
  await using agent = await startAgent({ stateFile, executable, launcher, env: TUNED });
  agent.signal("SIGUSR2");
  await agent.process.exited;
  expect(agent.process.signalCode).toBe("SIGKILL");
  expect(parseState(agent.file())).toEqual({ ...STATE, status: status === "UP" ? "UP" : "DOWN" });
  const names = readdirSync(directory.path);
  expect(names.some((name) => name === ".state.json.hapgent-new")).toBe(left);
  await using next = await startAgent({ stateFile, env: TUNED });
  expect(await next.ask()).toBe(`${status} 42% maxconn:7\n`);
  next.signal("SIGUSR1");
  await until("tidy", () => String(readdirSync(directory.path)) === "state.json");
  await next.answers("UP 42% maxconn:7\n");
});
