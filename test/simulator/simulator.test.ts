// Whenever a wait says ok, or a stop ends early, every load balancer that counts holds the reply;
// it says so as soon as it can; and some time after the last disturbance it does say ok.
import { expect, test } from "bun:test";
import { simulate } from "./main.ts";

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
  expect(simulate(20, 7)).toEqual(simulate(20, 7));
});
