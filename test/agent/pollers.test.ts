// Who counts: whoever asks like a load balancer, or who is named. A load balancer is remembered,
// however long it is silent, until somebody says that it is gone.
import { describe, expect, test } from "bun:test";
import { POLLER_LIMIT } from "../../src/agent/poller-memory.ts";
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
    const bench = new Bench({ age });
    bench.check([0, 2], "10.0.0.1");
    expect(bench.standings(2 + silence - 0.1)).toEqual({ "10.0.0.1": "new" });
    expect(bench.standings(2 + silence)).toEqual({ "10.0.0.1": "stranger" });
  });

  test("nobody who was never served and is silent for three of its longest gaps", () => {
    const bench = new Bench();
    bench.check([0, 20, 50], "10.0.0.1", "", false);
    expect(bench.standings(139)).toEqual({ "10.0.0.1": "new" });
    expect(bench.standings(140)).toEqual({ "10.0.0.1": "stranger" });
  });

  test("one that asks every 9 minutes too: strangers are remembered for ten", () => {
    const bench = new Bench();
    bench.check([0, 540, 1080], "10.0.0.1").check([0, 601, 1202], "10.0.0.2");
    expect(bench.standings(1300)).toEqual({
      "10.0.0.1": "three checks",
      "10.0.0.2": "stranger",
    });
  });

  test("not forgotten by HAPGENT_FORGET before its time, and then logged", () => {
    const bench = new Bench({ forget: 300 });
    bench.check([0, 1, 2], "10.0.0.1", "web");
    expect(bench.standings(302)).toEqual({ "10.0.0.1 web": "three checks" });
    expect(bench.standings(302.1)).toEqual({});
    expect(bench.lines).toEqual([
      {
        message: "load balancer forgotten",
        fields: { address: "10.0.0.1", sent: "web", silent: 300.1 },
      },
    ]);
  });

  test("forgotten by HAPGENT_FORGET also where nobody looks", () => {
    const bench = new Bench({ forget: 300 });
    bench.check([0, 1, 2], "10.0.0.1").check([400], "10.0.0.2");
    expect(bench.lines).toHaveLength(1);
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

  test("shown before it has asked", () => {
    const bench = new Bench({ named: "10.0.0.1=2001:db8::1" });
    expect(bench.show(0)).toEqual([
      {
        ...{ address: "10.0.0.1=2001:db8::1", sent: null, age: null, since: null, interval: null },
        ...{ reply: null, isServed: false, counts: true, why: "named" },
      },
    ]);
  });

  test("not forgotten by HAPGENT_FORGET where it has an entry of its own", () => {
    const bench = new Bench({ named: "10.0.0.1 10.1.0.0/16", forget: 60 });
    bench.check([0, 1, 2], "10.0.0.1").check([0, 1, 2], "10.1.0.1");
    expect(bench.standings(1000)).toEqual({ "10.0.0.1": "named" });
  });

  test("not all that its address sends: a person there who asked once is forgotten after ten minutes", () => {
    const bench = new Bench({ named: "10.0.0.1" });
    bench.check([0], "10.0.0.1", "by hand").check([0, 2], "10.0.0.1", "slow");
    expect(bench.standings(600)).toEqual({
      "10.0.0.1 by hand": "named",
      "10.0.0.1 slow": "named",
    });
    expect(bench.standings(601)).toEqual({ "10.0.0.1 slow": "named" });
    expect(bench.standings(700)).toEqual({ "10.0.0.1 slow": "named" });
  });

  test("logged once where it asks and is not named: perhaps an address was mistyped", () => {
    const bench = new Bench({ named: "10.0.0.1" });
    bench.check(every(2, 0, 5), "10.0.0.2", "web");
    expect(bench.lines).toEqual([
      {
        message: "not counted, HAPGENT_POLLERS does not name it",
        fields: { address: "10.0.0.2", sent: "web", interval: 2 },
      },
    ]);
  });
});

describe("nobody is", () => {
  test("a probe of the project's own", () => {
    const bench = new Bench();
    bench.check([0, 1, 2], "10.0.0.1", "#hapgent:web");
    expect(bench.show(2)).toEqual([]);
  });

  test("made up of a reply that was written before anything was read", () => {
    const bench = new Bench();
    expect(bench.write("10.0.0.1")).toBeUndefined();
    expect(bench.show(0)).toEqual([]);
  });
});

describe("an unknown name", () => {
  test("is shown, and logged once, with what is wrong about it", () => {
    const bench = new Bench({ services: ["web"] });
    bench.check([0, 1], "10.0.0.1", "web\\n").check([0, 1], "10.0.0.2", "web\\n");
    bench.check([2], "10.0.0.1", "wbe").check([3], "10.0.0.1", "web 2");
    expect(bench.show(3)).toMatchObject([
      { sent: "web\\n", reply: "FAIL #no such service" },
      { sent: "web\\n", reply: "FAIL #no such service" },
      { sent: "wbe", reply: "FAIL #no such service" },
      { sent: "web 2", reply: "UP 100%" },
    ]);
    const message = "a check asks for no service";
    expect(bench.lines).toEqual([
      {
        message,
        fields: {
          ...{ address: "10.0.0.1", sent: "web\\n" },
          hint: "no newline: HAProxy keeps \\n in single quotes",
        },
      },
      { message, fields: { address: "10.0.0.1", sent: "wbe", hint: undefined } },
    ]);
  });

  test("of many is logged 32 times", () => {
    const bench = new Bench({ services: ["web"] });
    for (let i = 0; i < 100; i += 1) bench.check([0], "10.0.0.1", `name${i}`);
    expect(bench.lines).toHaveLength(32);
  });
});

describe("4,096 pollers are remembered:", () => {
  const address = (i: number) => `10.0.${i >> 8}.${i & 255}`;

  function fill(bench: Bench, seconds: readonly number[]): void {
    for (let i = 0; i < POLLER_LIMIT; i += 1) bench.check(seconds, address(i));
  }

  test("the oldest stranger makes room first", () => {
    const bench = new Bench();
    fill(bench, [0]);
    bench.check([1], address(0)).check([20], "192.0.2.1");
    const addresses = bench.show(20).map((each) => each["address"]);
    expect(addresses).toHaveLength(POLLER_LIMIT);
    expect(addresses).toContain("192.0.2.1");
    expect(addresses).toContain(address(0));
    expect(addresses).not.toContain(address(1));
    expect(bench.wait(20)).not.toContain("more than 4096");
  });

  test("load balancers make room for nobody, and a wait says so", () => {
    const bench = new Bench();
    fill(bench, [0, 1, 2]);
    expect(bench.wait(3)).toStartWith("ok served to all of 4096 pollers");
    bench.check([10], "192.0.2.1");
    expect(bench.show(10).map((each) => each["address"])).not.toContain("192.0.2.1");
    const problem = "error: after 0 s: more than 4096 pollers: not all of them are known";
    expect(bench.wait(11)).toBe(problem);
    bench.forget(12, address(0));
    bench.check([13, 14, 15], "192.0.2.1");
    expect(bench.wait(16)).toBe(problem);
    expect(bench.wait(80)).toStartWith("ok served to all of 4096 pollers");
  });
});

describe("what it was told", () => {
  test("is what a clean close has confirmed, and else only perhaps", () => {
    const bench = new Bench();
    bench.check([0], "10.0.0.1");
    const told = () => bench.show(9)[0];
    expect(told()).toMatchObject({ reply: "UP 100%", isServed: true });
    bench.at(1).set("DRAIN");
    expect(told()).toMatchObject({ reply: "UP 100%", isServed: false });
    const written = bench.at(2).write("10.0.0.1", "");
    expect(told()).toMatchObject({ reply: null, perhaps: ["UP 100%", "DRAIN 100%"] });
    bench.close(written, false);
    expect(told()).toMatchObject({ reply: null, perhaps: ["UP 100%", "DRAIN 100%"] });
    bench.check([4], "10.0.0.1");
    expect(told()).toMatchObject({ reply: "DRAIN 100%", isServed: true });
  });

  test("is not what an earlier check confirms after a later one", () => {
    const bench = new Bench();
    const early = bench.at(0).write("10.0.0.1", "");
    bench.at(1).set("DRAIN");
    const late = bench.write("10.0.0.1", "");
    bench.close(late);
    bench.close(early);
    expect(bench.show(2)).toMatchObject([{ reply: "DRAIN 100%", isServed: true }]);
  });

  test("is open while a check is that was written something else, however early", () => {
    const bench = new Bench();
    const early = bench.at(0).write("10.0.0.1", "");
    bench.at(1).set("DRAIN").check([2], "10.0.0.1");
    expect(bench.show(2)).toMatchObject([{ isServed: false, perhaps: ["DRAIN 100%", "UP 100%"] }]);
    bench.at(5).close(early, false);
    expect(bench.show(5)).toMatchObject([{ isServed: true }]);
  });

  test("is perhaps what was written to its address before anything was read", () => {
    const bench = new Bench().set("DRAIN").check([1], "10.0.0.2", "web");
    // However many lines it has: the check may have been that of any.
    const names = Array.from({ length: 50 }, (_, i) => `web${i}`);
    for (const sent of names) bench.check([1, 3], "10.0.0.1", sent);
    const countServed = () => bench.show(9).filter((row) => row["isServed"]).length;
    bench.set("READY").close(bench.at(4).write("10.0.0.1"), false);
    bench.set("DRAIN");
    expect(countServed()).toBe(1);
    expect(bench.show(9)[1]).toMatchObject({ perhaps: ["DRAIN 100%", "READY 100%"] });
    for (const sent of names) bench.check([5], "10.0.0.1", sent);
    expect(countServed()).toBe(51);
  });

  test("is certain again once a check that had sent nothing says whose it was", () => {
    const bench = new Bench().check([0], "10.0.0.1", "web");
    const written = bench.set("DRAIN").at(1).write("10.0.0.1");
    bench.set("UP");
    expect(bench.show(1)).toMatchObject([{ isServed: false }]);
    bench.close(written);
    expect(bench.show(1)).toMatchObject([{ isServed: true }]);
  });

  test("may be any of many replies that were lost: nothing is ever taken for heard", () => {
    const bench = new Bench();
    bench.check([0], "10.0.0.1");
    for (let i = 1; i < 50; i += 1) {
      bench.host.put(undefined, "UP", "socket", i, i);
      bench.check([i], "10.0.0.1", "", false);
    }
    bench.host.put(undefined, "UP", "socket", 50, 100);
    expect(bench.show(50)).toMatchObject([{ reply: null, isServed: false }]);
    expect(bench.check([51], "10.0.0.1").show(51)).toMatchObject([{ isServed: true }]);
  });
});

test("show pollers tells since when each asks, and how often, the latest last", () => {
  const bench = new Bench({ services: ["web", "api"] });
  bench.check([0, 5, 10], "10.0.0.1", "web").check([3], "10.0.0.2", "api");
  expect(bench.show(10.5)).toEqual([
    {
      ...{ address: "10.0.0.2", sent: "api", age: 7.5, since: "1970-01-01T00:00:03.000Z" },
      ...{ interval: null, reply: "UP 100%", isServed: true, counts: true, why: "new" },
    },
    {
      ...{ address: "10.0.0.1", sent: "web", age: 0.5, since: "1970-01-01T00:00:00.000Z" },
      ...{ interval: 5, reply: "UP 100%", isServed: true, counts: true, why: "three checks" },
    },
  ]);
  expect(bench.show(10.5, "api")).toHaveLength(1);
});

test.each([
  ["the longest gap", [0, 2, 5, 7], 3],
  ["of the last eight", [0, 9, ...every(4, 13, 8)], 4],
  ["without one over three times the median", [0, 2, 4, 6, 70], 2],
  ["with one of three times the median", [0, 2, 4, 6, 12], 6],
])("the interval is %s", (_, seconds, interval) => {
  const bench = new Bench();
  bench.check(seconds, "10.0.0.1");
  expect(bench.show(100)).toMatchObject([{ interval }]);
});
