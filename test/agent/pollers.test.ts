import { afterAll, afterEach, describe, expect, spyOn, test } from "bun:test";
import { Pollers } from "../../src/agent/pollers.ts";

let now = 0;
const clock = spyOn(performance, "now").mockImplementation(() => now);

/** Pollers, each served this reply at its second. */
function pollersOf(...served: [address: string, reply: string, second: number][]): Pollers {
  const pollers = new Pollers();
  for (const [address, reply, second] of served) {
    now = second * 1000;
    pollers.record(address, reply);
  }
  return pollers;
}

afterEach(() => {
  now = 0;
});

afterAll(() => clock.mockRestore());

describe("Pollers", () => {
  test("lists who asked, the latest last, each with its age and its last reply", () => {
    const pollers = pollersOf(["a", "UP", 1], ["b", "UP", 2], ["a", "DOWN", 3]);
    now = 3500.4;
    expect(pollers.list()).toEqual([
      { address: "b", age: 1.5, reply: "UP" },
      { address: "a", age: 0.5, reply: "DOWN" },
    ]);
  });

  test("forgets who has not asked for a minute", () => {
    const pollers = pollersOf(["a", "UP", 0], ["b", "UP", 30], ["c", "UP", 60]);
    expect(pollers.list().map(({ address }) => address)).toEqual(["a", "b", "c"]);
    now = 60_001;
    expect(pollers.list().map(({ address }) => address)).toEqual(["b", "c"]);
    now = 200_000;
    expect(pollers.list()).toEqual([]);
  });

  test("remembers 256, and forgets who asked longest ago", () => {
    const pollers = new Pollers();
    for (let i = 0; i < 256; i += 1) pollers.record(`10.0.0.${i}`, "UP");
    pollers.record("10.0.0.0", "UP");
    pollers.record("::1", "UP");
    const addresses = pollers.list().map(({ address }) => address);
    expect(addresses).toHaveLength(256);
    expect(addresses.slice(-2)).toEqual(["10.0.0.0", "::1"]);
    expect(addresses).not.toContain("10.0.0.1");
  });

  test("knows nobody without an address", () => {
    expect(pollersOf().list()).toEqual([]);
    const pollers = new Pollers();
    pollers.record(undefined, "UP");
    expect(pollers.list()).toEqual([]);
  });
});

describe("waiting for pollers", () => {
  /** Lets a wait look, and tells whether it is over. */
  async function isOver(waiting: Promise<unknown>): Promise<boolean> {
    return await Promise.race([waiting.then(() => true), Bun.sleep(150).then(() => false)]);
  }

  test("is over at once when there are none, or all were served the present reply", async () => {
    expect(await new Pollers().waitFor(() => "UP", 60)).toEqual([]);
    const pollers = pollersOf(["a", "UP", 0], ["b", "UP", 0]);
    expect(await pollers.waitFor(() => "UP", 60)).toEqual([]);
  });

  test("is over when the last one was served the reply of that moment", async () => {
    let reply = "DRAIN";
    const pollers = pollersOf(["a", "UP", 0], ["b", "UP", 0]);
    const waiting = pollers.waitFor(() => reply, 60);
    pollers.record("a", "DRAIN");
    expect(await isOver(waiting)).toBe(false);
    reply = "DOWN";
    pollers.record("b", "DOWN");
    expect(await isOver(waiting)).toBe(false);
    pollers.record("a", "DOWN");
    expect(await waiting).toEqual([]);
  });

  test("names the missing ones when its time is over", async () => {
    const pollers = pollersOf(["a", "UP", 0], ["b", "DOWN", 0], ["c", "FAIL", 0]);
    const waiting = pollers.waitFor(() => "DOWN", 5);
    now = 5000;
    expect((await waiting).map(({ address }) => address)).toEqual(["a", "c"]);
    expect((await pollers.waitFor(() => "DOWN", 0)).map(({ address }) => address)).toEqual([
      "a",
      "c",
    ]);
  });

  test("is over when the missing ones are forgotten", async () => {
    const pollers = pollersOf(["a", "UP", 0], ["b", "DOWN", 30]);
    const waiting = pollers.waitFor(() => "DOWN", 3600);
    expect(await isOver(waiting)).toBe(false);
    now = 60_001;
    expect(await waiting).toEqual([]);
  });

  test("is over when nobody wants to know any more", async () => {
    let isWanted = true;
    const pollers = pollersOf(["a", "UP", 0]);
    const waiting = pollers.waitFor(
      () => "DOWN",
      3600,
      () => isWanted,
    );
    expect(await isOver(waiting)).toBe(false);
    isWanted = false;
    expect(await waiting).toHaveLength(1);
  });
});
