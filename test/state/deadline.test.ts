// A disk that hangs holds nobody up for ever: a read or a save is given up after 5 s, and while a
// read hangs the next ones are given up after 0.2 s.
import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import { LateError, limitRead, limitTime } from "../../src/state/deadline.ts";

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

/** A read under way, what `limitRead` makes of it, and whether it was called late. */
function startRead() {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const read = { resolve, reject, isLate: false, outcome: "" };
  const late = () => {
    read.isLate = true;
  };
  void limitRead(promise, late).then(
    (text) => {
      read.outcome = text;
    },
    (error: Error) => {
      read.outcome = error.message;
    },
  );
  return read;
}

/** Lets so many milliseconds pass, and promises settle. */
async function pass(milliseconds: number): Promise<void> {
  jest.advanceTimersByTime(milliseconds);
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

test("what comes in time is handed on, error or not, and no timer is left", async () => {
  expect(await limitTime(Promise.resolve("text"))).toBe("text");
  await expect(limitRead(Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(jest.getTimerCount()).toBe(0);
});

test("a save that hangs is given up after 5 s, once that is told", async () => {
  const late = jest.fn();
  const given = limitTime(new Promise(() => undefined), late).catch((error: unknown) => {
    expect(late).toHaveBeenCalled();
    return error;
  });
  await pass(4999);
  expect(late).not.toHaveBeenCalled();
  await pass(1);
  expect(await given).toEqual(new LateError(5000));
});

test.each(["resolve", "reject"] as const)(
  "while a read hangs others are given up after 0.2 s, until it has come back (%s)",
  async (end) => {
    const hanging = startRead();
    await pass(4000);
    expect(hanging).toMatchObject({ isLate: false, outcome: "" });
    await pass(1000);
    const lateBy = (seconds: number) => `the disk has not answered within ${seconds} s`;
    expect(hanging).toMatchObject({ isLate: true, outcome: lateBy(5) });
    const second = startRead();
    await pass(200);
    expect(second).toMatchObject({ isLate: true, outcome: lateBy(0.2) });
    hanging[end]("text");
    await pass(0);
    const third = startRead();
    await pass(200);
    expect(third.outcome).toBe(lateBy(0.2));
    for (const { resolve } of [second, third]) resolve("text");
    await pass(0);
    const last = startRead();
    await pass(4000);
    expect(last.outcome).toBe("");
    last.resolve("text");
    await pass(0);
    expect(last.outcome).toBe("text");
  },
);
