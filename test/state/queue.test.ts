// Those who ask for a shared job before it has begun get the same one; those who ask while it runs
// get the next one: it may have passed what they want it to see.
import { expect, test } from "bun:test";
import { Queue } from "../../src/state/queue.ts";
import { turn } from "../contract/here.ts";

test("a shared job runs once for all who wait, and once more for those who come while it runs", async () => {
  const runs: ((run: number) => void)[] = [];
  const queue = new Queue<number>();
  const run = () => queue.share(() => new Promise((resolve) => runs.push(resolve)));
  const first = [run(), run()];
  while (runs.length === 0) await turn();
  const second = [run(), run()];
  runs[0]?.(1);
  expect(await Promise.all(first)).toEqual([1, 1]);
  while (runs.length === 1) await turn();
  runs[1]?.(2);
  expect(await Promise.all(second)).toEqual([2, 2]);
  expect(runs).toHaveLength(2);
});

test("who asks for a shared job after another job sees what that has done", async () => {
  const queue = new Queue<number>();
  const job = Promise.withResolvers<void>();
  let done = 0;
  void queue.run(() => job.promise);
  const before = queue.share(async () => done);
  void queue.run(() => {
    done += 1;
  });
  const after = [queue.share(async () => done), queue.share(async () => done + 10)];
  job.resolve();
  expect(await Promise.all([before, ...after])).toEqual([0, 1, 1]);
});
