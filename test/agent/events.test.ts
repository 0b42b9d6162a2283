// - Events run one after another, each to its end, in the order in which they came.
// - A signal that has no effect is left out; a command, which is answered, never is.
import { describe, expect, test } from "bun:test";
import { Events, type SignalKind } from "../../src/agent/events.ts";

/** Events that wait for one that runs until `release`; tells which of them have run. */
function createEvents() {
  const events = new Events();
  const { promise, resolve: release } = Promise.withResolvers<void>();
  const ran: string[] = [];
  void events.request(() => promise);
  const run = (name: string) => async () => {
    ran.push(`${name} begins`);
    await Promise.resolve();
    ran.push(`${name} ends`);
    return name;
  };
  return {
    events,
    ran: () => ran.filter((each) => each.endsWith("begins")).map((each) => each.split(" ")[0]),
    steps: ran,
    request: (name: string) => events.request(run(name)),
    signal: (kind: SignalKind, name: string) => events.signal(kind, run(name)),
    async end() {
      release();
      await events.settled();
    },
  };
}

describe("events", () => {
  test("run one after another, each to its end", async () => {
    const { request, signal, steps, end } = createEvents();
    const first = request("one");
    signal("set", "two");
    const last = request("three");
    expect(steps).toEqual([]);
    await end();
    expect(steps).toEqual(
      ["one", "two", "three"].flatMap((name) => [`${name} begins`, `${name} ends`]),
    );
    expect(await Promise.all([first, last])).toEqual(["one", "three"]);
  });

  test("go on when there were none for a while", async () => {
    const { request, signal, events, end, ran } = createEvents();
    await end();
    expect(await request("one")).toBe("one");
    signal("reload", "two");
    await events.settled();
    expect(ran()).toEqual(["one", "two"]);
  });

  test("tell of their error who asked for them, and nobody else", async () => {
    const { events, request, end } = createEvents();
    const failed = events.request(() => Promise.reject(new Error("no"))).catch(String);
    const next = request("next");
    await end();
    expect([await failed, await next]).toEqual(["Error: no", "next"]);
  });

  // s1, s2 ...: a signal that sets the status; r1, r2 ...: one that reloads; c1, c2 ...: a command.
  test.each([
    ["s1 s2", "s2"],
    ["r1 r2 r3", "r3"],
    ["s1 r1", "s1 r1"],
    ["s1 r1 s2", "s1 r1 s2"],
    ["s1 r1 s2 r2", "s2 r2"],
    ["r1 s1 r2 s2 r3", "r2 s2 r3"],
    ["c1 s1 s2", "c1 s2"],
    ["c1 s1 r1 s2", "c1 s1 r1 s2"],
    ["c1 s1 r1 s2 r2", "c1 s2 r2"],
    ["s1 c1 s2", "s1 c1 s2"],
    ["s1 r1 c1 s2 r2", "s1 r1 c1 s2 r2"],
    ["c1 c2 c3", "c1 c2 c3"],
  ])("%s that came while another ran are run as %s", async (names, expected) => {
    const { request, signal, ran, end } = createEvents();
    for (const name of names.split(" ")) {
      if (name.startsWith("c")) void request(name);
      else signal(name.startsWith("s") ? "set" : "reload", name);
    }
    await end();
    expect(ran().join(" ")).toBe(expected);
  });

  test("of a storm of signals are three at most", async () => {
    const { signal, ran, end } = createEvents();
    for (let i = 0; i < 10_000; i += 1) signal(i % 3 === 0 ? "reload" : "set", String(i));
    await end();
    expect(ran().length).toBeLessThanOrEqual(3);
    expect(ran().at(-1)).toBe("9999");
  });
});
