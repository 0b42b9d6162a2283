// Jobs run one after another, in the order in which they came. Those who ask for a shared one before
// it has begun get the same; those who ask while it runs get the next.
import { describe, expect, test } from "bun:test";
import { Queue, Shared } from "../../src/agent/queue.ts";

describe("a queue", () => {
  test("runs each job to its end, also after one that has failed", async () => {
    const queue = new Queue();
    const steps: string[] = [];
    const job = (name: string) => async () => {
      steps.push(`${name} begins`);
      await Bun.sleep(1);
      steps.push(`${name} ends`);
      if (name === "two") throw new Error("no");
      return name;
    };
    const jobs = ["one", "two", "three"].map((name) => queue.run(job(name)));
    expect(steps).toEqual([]);
    expect(await Promise.allSettled(jobs)).toEqual([
      { status: "fulfilled", value: "one" },
      { status: "rejected", reason: new Error("no") },
      { status: "fulfilled", value: "three" },
    ]);
    expect(steps).toEqual(
      ["one", "two", "three"].flatMap((name) => [`${name} begins`, `${name} ends`]),
    );
    expect(await queue.run(() => 4)).toBe(4);
  });
});

describe("a shared job", () => {
  test("is run for all who wait for it, and once more for those who come while it runs", async () => {
    const ends: (() => void)[] = [];
    let runs = 0;
    const shared = new Shared(async () => {
      runs += 1;
      const run = runs;
      await new Promise<void>((resolve) => ends.push(resolve));
      return run;
    });
    const first = [shared.run(), shared.run()];
    while (ends.length === 0) await Promise.resolve();
    const second = [shared.run(), shared.run()];
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    expect(runs).toBe(1);
    ends[0]?.();
    expect(await Promise.all(first)).toEqual([1, 1]);
    while (ends.length === 1) await Promise.resolve();
    ends[1]?.();
    expect(await Promise.all(second)).toEqual([2, 2]);
  });

  test("that has failed is run anew for the next", async () => {
    let runs = 0;
    const shared = new Shared(() => {
      runs += 1;
      return runs === 1 ? Promise.reject(new Error("no")) : Promise.resolve(runs);
    });
    await expect(shared.run()).rejects.toThrow("no");
    expect(await shared.run()).toBe(2);
  });
});
