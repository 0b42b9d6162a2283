// The first save loads a part of the runtime. It does so in steps, between which checks are
// answered: it holds up none for as long as the agent's start takes, beside which it is measured.
import { expect, test } from "bun:test";
import { startAgent } from "../../scripts/lib/agent.ts";
import { Load } from "../../scripts/lib/load.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { times } from "./scale.ts";

const SAVES = times(1000, 25);

test(`${SAVES} first saves hold up a check for less than half of what a start takes`, async () => {
  const starts: number[] = [];
  const delays: number[] = [];
  for (let save = 1; save <= SAVES; save += 1) {
    const begun = performance.now();
    await using agent = await startAgent({ state: { status: "UP" }, env: TUNED });
    starts.push(performance.now() - begun);
    using load = new Load(agent.port, { connections: 1 });
    await until("checks", () => load.checks > 5);
    load.slowest = 0;
    agent.signal("SIGUSR2");
    await until("saved", () => agent.file().includes("DOWN"));
    const { failed, slowest } = await load.stop();
    expect(failed).toBe(0);
    delays.push(slowest);
  }
  const [start, delay] = [median(starts), median(delays)];
  console.log(
    `${SAVES} first saves: a check waits ${delay.toFixed(1)} ms, a start takes ${start.toFixed(1)}`,
  );
  expect(delay).toBeLessThan(start / 2);
});

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
