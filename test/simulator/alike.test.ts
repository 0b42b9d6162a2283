// Crowds of load balancers that look alike, as no seed makes them: a wait is ok, and no ok is false.
import { expect, test } from "bun:test";
import type { BalancerPlan, Plan } from "./plan.ts";
import { playWorld } from "./world.ts";

/** An age at which an agent is careful no more (ms). */
const OLD = 310_000;

const LINE = { sent: "web", interval: 2000, within: 2000, timeout: 2000, off: [] };
const TWIN: BalancerPlan = {
  ...{ address: "10.0.0.9", lines: [LINE], trip: 1, cuts: [], loss: 0, deaf: [], resets: 0 },
  ...{ restarts: [], from: OLD, until: Infinity },
};

/** How waits end that begin with a change. */
function play(twin: BalancerPlan, count: number, at: number, seconds: number, seed: number) {
  const plan: Plan = {
    balancers: Array.from({ length: count }, () => twin),
    deeds: [
      { at, do: "set", status: "DRAIN" },
      { at, do: "wait", seconds },
    ],
    ...{ end: at + seconds * 1000, strangers: [], services: [], age: 0 },
    ...{ named: undefined, forget: undefined },
  };
  const { ends, ...rest } = playWorld(plan, seed);
  expect(rest).toEqual({ falseOks: [], endless: undefined });
  return new Set(ends.map(({ problem }) => problem));
}

// After an outage HAProxy's checks of many lines come together, and stay so.
test.each([10, 300, 1200])("40 behind one address ask in a bunch of %i ms", (within) => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const twin = { ...TWIN, lines: [{ ...LINE, within }], from: 0 };
    expect(play(twin, 40, OLD + 12_000, 9, seed)).toEqual(new Set([undefined]));
  }
});

test.each([5, 60, 600])("600 are behind one address, and were cut off for %i s", (seconds) => {
  const [from, to] = [OLD + 8000, OLD + 8000 + seconds * 1000] as const;
  const twin: BalancerPlan = { ...TWIN, trip: 30, cuts: [[from, to]] };
  expect(play(twin, 600, from + 4000, seconds + 30, seconds)).toEqual(new Set([undefined]));
});
