// No step of the clock stops, hurries or confuses the agent.
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { Load } from "../../scripts/lib/load.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { formatState } from "../../src/state/state.ts";
import { calm } from "./calm.ts";
import { connect } from "./clients.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * A library that gives a program another time of day, here that of a file which may change at any
 * time.
 */
const LIBRARY = [...new Bun.Glob("/usr/lib/*/faketime/libfaketime.so.1").scanSync("/")][0] ?? "";

test("the time of day set forward and back a day: answers on, acts, does not spin", async () => {
  using directory = temporaryDirectory();
  const clock = `${directory.path}/clock`;
  writeFileSync(clock, "+0");
  const env = {
    ...TUNED,
    LD_PRELOAD: LIBRARY,
    FAKETIME_TIMESTAMP_FILE: clock,
    FAKETIME_NO_CACHE: "1",
    // The monotonic clock, by which the agent closes clients, cannot be set.
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
  };
  await using agent = await startAgent({ state: { status: "UP" }, env });
  const client = await connect(agent.port, "silent");
  using load = new Load(agent.port, { connections: 2, pause: 5 });
  for (const days of [1, -1, 0]) {
    writeFileSync(clock, `${days < 0 ? "" : "+"}${days}d`);
    expect(await readClock(env)).toBeCloseTo(Date.now() + days * DAY_MS, -4);
    agent.signal("SIGUSR2");
    await agent.answers("DOWN\n");
    await until("saved", () => agent.file() === formatState({ status: "DOWN" }));
    agent.signal("SIGUSR1");
    await agent.answers("UP\n");
  }
  const { failed, failures } = await load.stop();
  expect({ failed, failures }).toEqual({ failed: 0, failures: [] });
  // A client that never closes was closed in its time.
  await client.closed;
  await calm(agent.pid);
});

/** The time that the executable sees with this environment, asked of the runtime in it. */
async function readClock(env: Record<string, string>): Promise<number> {
  const process = Bun.spawn([EXECUTABLE, "-p", "Date.now()"], {
    env: { ...env, BUN_BE_BUN: "1" },
    stdio: ["ignore", "pipe", "ignore"],
  });
  return Number(await process.stdout.text());
}
