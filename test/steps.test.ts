// Each step of a script says when it begins, how it ends and what came out.
import { afterEach, beforeEach, expect, type Mock, spyOn, test } from "bun:test";
import { doInParallel, step } from "../scripts/lib/steps.ts";

let log: Mock<typeof console.log>;

beforeEach(() => {
  log = spyOn(console, "log").mockImplementation(() => undefined);
});

afterEach(() => log.mockRestore());

test("a step says when it begins and ends, and what came out", async () => {
  await step("count", async () => "3 files");
  const lines = log.mock.calls.map(([line]) => String(line));
  expect(lines).toEqual([
    expect.stringMatching(/^\d+:\d\d {2}count$/),
    expect.stringMatching(/^\d+:\d\d {2}count: done in \d+\.\d s, 3 files$/),
  ]);
});

test("no more are done at a time than asked for, and all of them", async () => {
  const done: number[] = [];
  let running = 0;
  let most = 0;
  const actions = Array.from({ length: 7 }, (_, index) => async () => {
    running++;
    most = Math.max(most, running);
    await Promise.resolve();
    running--;
    done.push(index);
  });
  await doInParallel(actions, 2);
  expect(most).toBe(2);
  expect(done.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6]);
});

test("after a failure nothing more begins", async () => {
  let begun = 0;
  const fail = async () => {
    begun++;
    await Promise.resolve();
    throw new Error("no space");
  };
  expect(doInParallel([fail, fail, fail, fail], 2)).rejects.toThrow("no space");
  await Promise.resolve();
  expect(begun).toBe(2);
});
