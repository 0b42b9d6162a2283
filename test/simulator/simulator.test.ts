// Whenever a wait says ok, or a stop ends early, every load balancer that counts holds the reply;
// it says so as soon as it can; and some time after the last disturbance it does say ok.
import { expect, test } from "bun:test";
import { type BalancerPlan, planWorld } from "./plan.ts";
import { simulate } from "./simulate.ts";
import { playWorld } from "./world.ts";

const WORLDS = 10_000;

test("10,000 worlds keep what a wait promises", () => {
  const { faults, oks, unknowable } = simulate(WORLDS, 1);
  expect(faults).toEqual([]);
  // It is ok at all, and rarely where nobody can know.
  expect(oks).toBeGreaterThan(WORLDS);
  const howMany = Object.values(unknowable).reduce((sum, count) => sum + count, 0);
  expect(howMany).toBeLessThan(oks / 10);
}, 600_000);

test("a seed replays its world", () => {
  const play = () => playWorld(planWorld(7), 7).ends.map(({ seconds }) => seconds);
  expect(play()).toEqual(play());
});

test.each([5, 60, 600])("600 load balancers behind one address, cut off for %i s", (seconds) => {
  const from = 318_000;
  const to = from + seconds * 1000;
  const twin: BalancerPlan = {
    ...{ address: "10.0.9.1", trip: 30, from: 310_000, cuts: [[from, to]] },
    lines: [{ sent: "web", interval: 2000, timeout: 2000 }],
  };
  const { ends, ...rest } = playWorld(
    {
      balancers: Array.from({ length: 600 }, () => twin),
      deeds: [
        { at: from + 4000, do: "set", status: "DRAIN" },
        { at: from + 4000, do: "wait", seconds: seconds + 30 },
      ],
      end: to + 5000,
    },
    seconds,
  );
  expect(ends.map(({ problem }) => problem)).toEqual([undefined, undefined]);
  expect(rest).toEqual({ falseOks: [], endless: undefined });
});
