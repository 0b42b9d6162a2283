// Who counts: whoever asks like a load balancer, or who is named. A load balancer is remembered,
// however long it is silent, until somebody says that it is gone. What it was told is never more
// than what it can have heard.
import { describe, expect, test } from "bun:test";
import { POLLER_LIMIT } from "../../src/agent/poller-memory.ts";
import type { Pollers } from "../../src/agent/pollers.ts";
import type { Status } from "../../src/state/state.ts";
import { Bench, every } from "./pollers-fixture.ts";

describe("without names, a load balancer is", () => {
  test("who has asked three times, at most once a second, and was served", () => {
    const bench = new Bench();
    bench.check([0, 1, 2], "10.0.0.1").check([0, 0.5, 0.9, 1.4], "10.0.0.2");
    bench.check([0, 1, 2], "10.0.0.3", "", false);
    expect(bench.standings(2)).toEqual({
      "10.0.0.2": "new",
      "10.0.0.1": "three checks",
      "10.0.0.3": "new",
    });
    expect(bench.standings(100_000)).toEqual({ "10.0.0.1": "three checks" });
  });

  test.each([
    ["10 s", 1000, 10],
    ["60 s, in the first five minutes after a start", 0, 60],
  ])("nobody who is new and silent for %s", (_, age, silence) => {
    const bench = new Bench({ age }).check([0, 2], "10.0.0.1");
    expect(bench.standings(2 + silence - 0.1)).toEqual({ "10.0.0.1": "new" });
    expect(bench.standings(2 + silence)).toEqual({ "10.0.0.1": "stranger" });
  });

  test("nobody who was never served and is silent for three of its longest gaps", () => {
    const bench = new Bench().check([0, 20, 50], "10.0.0.1", "", false);
    expect(bench.standings(139)).toEqual({ "10.0.0.1": "new" });
    expect(bench.standings(140)).toEqual({ "10.0.0.1": "stranger" });
  });

  test("one that asks every 9 minutes too: strangers are remembered for ten", () => {
    const bench = new Bench();
    bench.check([0, 540, 1080], "10.0.0.1").check([0, 601, 1202], "10.0.0.2");
    expect(bench.standings(1300)).toEqual({ "10.0.0.1": "three checks", "10.0.0.2": "stranger" });
  });
});

describe("with names, a load balancer is", () => {
  test("who is named, from its first check on, and nobody else", () => {
    const bench = new Bench({ named: "10.0.0.1=2001:db8::1 10.1.0.0/16" });
    for (const address of ["10.0.0.1", "2001:db8::1"]) bench.check([0], address);
    for (const address of ["10.1.0.1", "10.2.0.1"]) bench.check([0, 1, 2], address);
    bench.check([2], "10.1.0.2");
    expect(bench.standings(3)).toEqual({
      "10.0.0.1": "named",
      "2001:db8::1": "named",
      "10.1.0.1": "in a named network",
      "10.2.0.1": "stranger",
      "10.1.0.2": "new",
    });
  });

  test("not forgotten by HAPGENT_FORGET where it has an entry of its own; nor is a stranger one", () => {
    const bench = new Bench({ named: "10.0.0.1 10.1.0.0/16", forget: 60 });
    for (const address of ["10.0.0.1", "10.1.0.1", "10.2.0.1"]) bench.check([0, 1, 2], address);
    expect(bench.standings(100)).toEqual({ "10.0.0.1": "named", "10.2.0.1": "stranger" });
    expect(bench.standings(1000)).toEqual({ "10.0.0.1": "named" });
    expect(bench.log.filter((line) => line.includes("forgotten"))).toEqual([
      'hapgent: load balancer forgotten address=10.1.0.1 sent="" silent=98',
    ]);
  });

  test("not all that its address sends: a person there who asked once is forgotten after ten minutes", () => {
    const bench = new Bench({ named: "10.0.0.1" });
    for (const sent of ["web", "api"]) bench.check([0, 2, 4], "10.0.0.1", sent);
    bench.check([0], "10.0.0.1", "by hand");
    const lines = { "10.0.0.1 web": "named", "10.0.0.1 api": "named" };
    expect(bench.standings(600)).toEqual({ ...lines, "10.0.0.1 by hand": "named" });
    expect(bench.standings(700)).toEqual(lines);
    expect(new Bench({ named: "10.0.0.1" }).check([0], "10.0.0.1").show(700)).toHaveLength(1);
    const one = new Bench({ named: "10.0.0.1" }).check([0, 2, 4], "10.0.0.1", "web");
    expect(one.check([0], "10.0.0.1", "by hand").show(700)).toHaveLength(1);
    expect(one.forget(700, "10.0.0.1")).toBe("ok forgotten: 1 poller of 10.0.0.1");
  });

  test("logged once where it asks and is not named: perhaps an address was mistyped", () => {
    const bench = new Bench({ named: "10.0.0.1" }).check([0, 2], "10.0.0.2", "web");
    expect(bench.log).toEqual([]);
    bench.check([4], "10.0.0.2", "web");
    expect(bench.check([4.5, 6], "10.0.0.2", "web").log).toEqual([
      "hapgent: not counted, HAPGENT_POLLERS does not name it address=10.0.0.2 sent=web interval=2",
    ]);
    // Anybody can send ever new texts, also from a network.
    for (let i = 0; i < 40; i += 1) bench.check([10, 12, 14], "10.0.0.2", `web ${i}`);
    expect(bench.log).toHaveLength(1);
    for (let i = 0; i < 40; i += 1) bench.check([10, 12, 14], `10.0.1.${i}`);
    expect(bench.log).toHaveLength(32);
  });
});

test("of 4,096 pollers strangers make room, the oldest first; load balancers do not, and a wait says so", () => {
  const address = (i: number) => `10.0.${i >> 8}.${i & 255}`;
  const bench = new Bench();
  const fill = (from: number, to: number, seconds: readonly number[]) => {
    for (let i = from; i < to; i += 1) bench.check(seconds, address(i));
  };
  fill(0, 10, [-4, -3, -2]);
  fill(10, POLLER_LIMIT, [0]);
  // Nobody is a stranger yet.
  bench.check([5], "192.0.2.9").check([5], address(10)).check([20], "192.0.2.1");
  const addresses = new Set(bench.show(20).map((each) => each["address"]));
  const known = ["192.0.2.9", "192.0.2.1", ...[0, 10, 11].map(address)];
  expect(known.map((each) => addresses.has(each))).toEqual([false, true, true, true, false]);
  expect(addresses.size).toBe(POLLER_LIMIT);
  fill(0, POLLER_LIMIT, [30, 31, 32]);
  expect(bench.check([40], "192.0.2.2").wait(41)).toBe(
    "error: after 0 s: more than 4096 pollers: not all of them are known (HAPGENT_POLLERS says who counts)",
  );
  expect(bench.wait(110)).toStartWith("ok served to all of 4096 pollers");
});

test("who is not named takes no room from those that may count, however many there are", () => {
  const bench = new Bench({ named: "10.1.0.0/16" });
  const flood = (second: number) => {
    for (let i = 0; i < POLLER_LIMIT; i += 1) bench.check([second], "192.0.2.1", `${second} ${i}`);
  };
  // Those that ask every 20 s are strangers in between, until they have asked three times.
  for (const second of [0, 20]) {
    for (const host of every(1, 1, 9)) bench.check([second], `10.1.0.${host}`);
    flood(second + 1);
    flood(second + 15);
  }
  for (const host of every(1, 1, 9)) bench.check([40], `10.1.0.${host}`);
  expect(bench.wait(45)).toStartWith("ok served to all of 9 pollers");
});

// One after another: a check waits for all that is done before it.
test.each<[string, string | undefined, (pollers: Pollers) => void]>([
  ["are forgotten", undefined, (pollers) => pollers.sweep(700_000)],
  ["are lines of a named one, and forgotten", "10.0.0.0", (pollers) => pollers.sweep(700_000)],
  [
    "are beside checks that send nothing",
    undefined,
    ({ memory }) => {
      for (let i = 0; i < POLLER_LIMIT; i += 1) memory.shared("10.0.0.0");
    },
  ],
])(
  "4,096 names from one address hold up no check longer than those from many, where they %s",
  (_, named, work) => {
    const time = (addresses: number) => {
      const { pollers } = new Bench({ named });
      for (let i = 0; i < POLLER_LIMIT; i += 1) {
        const j = i % addresses;
        pollers.ask({ address: `10.0.${j >> 8}.${j & 255}`, sent: `n${i}` }, "UP", 0);
      }
      const start = performance.now();
      work(pollers);
      return performance.now() - start;
    };
    const rounds = Array.from({ length: 10 }, () => [time(1), time(POLLER_LIMIT)]);
    const [one = 0, many = 0] = [0, 1].map((i) =>
      Math.min(...rounds.map((round) => round[i] ?? 0)),
    );
    expect(one).toBeLessThan(10 * many);
  },
);

// More would cost every check of a flood. Who was never served is no stranger for three of its gaps.
test.each([
  [7, "7 of 8 load balancers do not know: "],
  [8, "more than 4096 pollers: "],
])(
  "room is looked for among the oldest eight: %i that still count stand in its way",
  (slow, answer) => {
    const bench = new Bench();
    const ask = (i: number, seconds: number[]) =>
      bench.check(seconds, `10.0.${i >> 8}.${i & 255}`, "", false);
    for (let i = 0; i < slow; i += 1) ask(i, [-200, -100, 0]);
    for (let i = slow; i < POLLER_LIMIT; i += 1) ask(i, [1]);
    bench.check([50], "192.0.2.1");
    expect(bench.wait(50)).toStartWith(`error: after 0 s: ${answer}`);
  },
);

test("what was written later may have been heard: few of many are told apart, and none is taken for heard", () => {
  const bench = new Bench().check([0], "10.0.0.1", "web");
  const read = () => bench.show(200)[0] ?? {};
  const [up, drain] = ["UP", "DRAIN"].map((status, i) =>
    bench
      .at(1 + i / 2)
      .set(status as Status)
      .write("10.0.0.1", "web"),
  );
  drain?.end("web", false, 1600);
  up?.end("web", true, 1600);
  bench.set("UP");
  expect(read()).toMatchObject({ perhaps: ["UP", "DRAIN"], isServed: false });
  const lose = (weight: number) => {
    bench.host.put(undefined, { status: "UP", weight }, "", 0);
    bench.check([3 + weight], "10.0.0.1", "web", false).set("UP");
    expect(read()).toMatchObject({ isServed: false });
  };
  for (let weight = 1; weight <= 7; weight += 1) lose(weight);
  expect(read()["perhaps"]).toHaveLength(9);
  // What was heard for certain ends all doubt about what was written before.
  bench.check([11], "10.0.0.1", "web").check([12], "10.0.0.1", "web", false);
  expect(read()).toMatchObject({ reply: "UP", isServed: true });
  for (let weight = 10; weight <= 100; weight += 1) {
    lose(weight);
    expect(Object(read()["perhaps"]).length).toBeLessThan(10);
  }
});

test("show pollers tells since when each asks, and how often, those that never did first", () => {
  const named = "10.0.0.1 10.0.0.2 10.0.0.3=10.0.0.4";
  const bench = new Bench({ services: ["web", "api"], named });
  bench.check([0, 5, 10], "10.0.0.1", "web").check([3], "10.0.0.2", "api");
  bench.set("DRAIN", "api").check([8], "10.0.0.2", "api", false);
  const [never, doubtful, told] = bench.show(10.5);
  expect(never).toEqual({
    ...{ address: "10.0.0.3=10.0.0.4", sent: null, age: null, since: null, interval: null },
    ...{ reply: null, isServed: false, counts: true, why: "named" },
  });
  const since = "1970-01-01T00:00:03.000Z";
  expect(doubtful).toMatchObject({ since, reply: null, perhaps: ["UP", "DRAIN"], isServed: false });
  expect(told).toMatchObject({ age: 0.5, interval: 5, reply: "UP", isServed: true });
  expect(bench.show(10.5, "api").map(({ sent }) => sent)).toEqual([null, "api"]);
});

test.each([
  ["the longest gap", [0, 2, 5, 7], 3],
  ["of the last eight", [0, 9, ...every(4, 13, 8)], 4],
  ["without one over three times the median", [0, 2, 4, 6, 70], 2],
  ["with one of three times the median", [0, 1, 2, 6, 10, 22], 12],
])("the interval is %s", (_, seconds, interval) => {
  const bench = new Bench().check(seconds, "10.0.0.1");
  expect(bench.show(100)).toMatchObject([{ interval }]);
});

// A monitor that takes its time, or one that is far away, stands in the way of no wait. HAProxy is late
// once, where its agent check is disabled while it is under way.
test("who closes late has read the reply only if it was late the last time, too", () => {
  const bench = new Bench();
  const check = (second: number, after: number) => {
    const written = bench.at(second).write("10.0.0.1", "web");
    written.end("web", true, (second + after) * 1000);
    return bench.show(second + after)[0]?.["isServed"];
  };
  const isServed = [0.7, 0.7, 1, 0.69, 0.7, 0.69, 0.7].map((after, i) => {
    bench.set(i % 2 === 0 ? "UP" : "DRAIN");
    return check(i * 2, after);
  });
  expect(isServed).toEqual([false, true, true, true, false, true, false]);
});

describe("a check that sent nothing yet", () => {
  test("may be that of any line of its address, however many it has", () => {
    const bench = new Bench().set("DRAIN").check([1], "10.0.0.2", "web");
    const names = Array.from({ length: 50 }, (_, i) => `web${i}`);
    for (const sent of names) bench.check([1, 3], "10.0.0.1", sent);
    const countServed = () => bench.show(9).filter((row) => row["isServed"]).length;
    bench.set("READY").at(4).write("10.0.0.1").giveUp();
    bench.set("DRAIN");
    expect(countServed()).toBe(1);
    expect(bench.show(9)[1]).toMatchObject({ perhaps: ["DRAIN", "READY"] });
    for (const sent of names) bench.check([5], "10.0.0.1", sent);
    expect(countServed()).toBe(51);
  });

  test("is none of these where it has sent an empty line", () => {
    const bench = new Bench().check([0], "10.0.0.1", "web").check([0], "10.0.0.1").set("DRAIN");
    bench.at(1).write("10.0.0.1", "");
    expect(bench.set("UP").show(1)).toMatchObject([{ isServed: true }, { isServed: false }]);
    bench.at(2).write("10.0.0.2").end("", false, 2000);
    expect(bench.show(2)[2]).toMatchObject({ sent: "", perhaps: ["UP"] });
  });

  test("leaves no doubt at the others once it has closed and said whose it was", () => {
    const bench = new Bench().check([0], "10.0.0.1", "web");
    const written = bench.set("DRAIN").at(1).write("10.0.0.1");
    // One that comes while it is open may have heard it, too.
    bench.set("UP").check([1], "10.0.0.1", "late");
    const read = () => bench.show(1).map(({ sent, isServed }) => `${sent} ${isServed}`);
    expect(read()).toEqual(["web false", "late false"]);
    written.end("api", true, 1000);
    expect(read()).toEqual(["web true", "late true", "api false"]);
  });
});
