// Those who ask for a shared job before it has begun get the same one, but none that stands before
// another job. (Those who ask while it runs get the next one: test/agent/hanging-disk.test.ts.)
import { expect, test } from "bun:test";
import { Queue } from "../../src/state/queue.ts";

test("a shared job runs once for all who wait; who comes after another job sees what that did", async () => {
  const queue = new Queue<number>();
  let [done, looks] = [0, 0];
  const look = () =>
    queue.share(async () => {
      looks += 1;
      return done;
    });
  const before = [look(), look()];
  // One that fails keeps nobody from being next.
  const failing = queue.run(() => {
    done += 1;
    throw new Error("it fails");
  });
  const after = [look(), look()];
  await expect(failing).rejects.toThrow("it fails");
  expect(await Promise.all([...before, ...after])).toEqual([0, 0, 1, 1]);
  expect(looks).toBe(2);
});
