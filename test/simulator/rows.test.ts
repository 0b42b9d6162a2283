// What was once told wrong to operators, each as a world of its own, from twenty moments on: when
// each load balancer asks is what a seed decides.
import { describe, expect, test } from "bun:test";
import type { BalancerPlan, LinePlan, Plan, StrangerPlan, TimedDeed } from "./plan.ts";
import { playWorld, type Result } from "./world.ts";

/** An age at which an agent is careful no more (ms). */
const OLD = 310_000;

/** A load balancer that asks every second. */
const first = balancer("10.0.0.1", { interval: 1000 });

function balancer(
  address: string,
  line: Partial<LinePlan> = {},
  more: Partial<BalancerPlan> = {},
): BalancerPlan {
  const { interval = 2000 } = line;
  const lines = [{ sent: "web", timeout: interval, ...line, interval }];
  return { address, lines, trip: 1, ...more };
}

function set(at: number, status: "UP" | "DRAIN" | "READY", name?: string): TimedDeed {
  return { at, do: "set", status, ...(name !== undefined && { name }) };
}

function wait(
  at: number,
  seconds: number,
  more: { name?: string; count?: number } = {},
): TimedDeed {
  return { at, do: "wait", seconds, ...more };
}

/** Plays a plan twenty times, up to its last deed and a minute. */
function play(plan: Omit<Plan, "end"> & { end?: number }): Result[] {
  const end = Math.max(...plan.deeds.map(({ at }) => at)) + 60_000;
  return Array.from({ length: 20 }, (_, i) => playWorld({ end, ...plan }, i + 1));
}

/** How the first waits of some worlds have ended: their causes. */
function causes(results: readonly Result[], which = 0): Set<string> {
  const problems = results.map(({ outcomes }) => outcomes[which]?.end.problem ?? "ok");
  return new Set(problems.map((each) => (typeof each === "object" ? "changed" : each)));
}

function countFalse(results: readonly Result[]): number {
  return results.reduce((sum, { falseOks }) => sum + falseOks.length, 0);
}

describe("an error, not an ok:", () => {
  test("a line whose agent check is disabled is named, however long it has been silent", () => {
    for (const silence of [5, 70, 3600]) {
      const at = OLD + silence * 1000;
      const second = balancer("10.0.0.2", { interval: 1000, off: [[OLD, Infinity]] });
      const deeds = [set(at, "DRAIN"), wait(at, 30)];
      const results = play({ balancers: [first, second], deeds });
      expect(causes(results)).toEqual(new Set(["missing"]));
      for (const { outcomes } of results) {
        const missing = outcomes[0]?.end.survey.missing;
        expect(missing?.map(({ address }) => address)).toEqual(["10.0.0.2"]);
      }
    }
  });

  test("a second line that asks every 2 minutes, unless the wait is as long", () => {
    const lines = [...first.lines, { sent: "slow", interval: 120_000, timeout: 10_000 }];
    const balancers = [{ ...first, lines }];
    const plan = { balancers, end: 900_000 };
    const brief = play({ ...plan, deeds: [set(700_000, "DRAIN"), wait(700_000, 30)] });
    expect([...causes(brief)].toSorted()).toEqual(["missing", "unsettled"]);
    const long = play({ ...plan, deeds: [set(700_000, "DRAIN"), wait(700_000, 150)] });
    expect(causes(long)).toEqual(new Set(["ok"]));
    expect(countFalse([...brief, ...long])).toBe(0);
  });

  test("a named one that asks every 20 s had just asked when the agent was restarted", () => {
    const slow = balancer("10.0.0.2", { interval: 20_000 });
    const plan = {
      balancers: [first, slow],
      deeds: [
        { at: OLD, do: "restart", down: 100 } as const,
        set(OLD + 10_600, "DRAIN"),
        wait(OLD + 10_600, 30),
      ],
    };
    const results = play({ ...plan, named: "10.0.0.1 10.0.0.2" });
    expect(countFalse(results)).toBe(0);
    // Nobody can know without names: a line that is slower than 10 s, so soon after a start.
    const kinds = play(plan).flatMap(({ falseOks }) => falseOks.map(({ kind }) => kind));
    expect(new Set(kinds)).toEqual(new Set(["silent since the start of the agent"]));
  });

  test("a reply is read, and the link is cut before the agent hears of it", () => {
    for (let cut = 0; cut < 2100; cut += 10) {
      const at = OLD + 10_000;
      const lost = balancer("10.0.0.1", {}, { trip: 300, cuts: [[at + cut, at + 30_000]] });
      const deeds = [
        ...[set(OLD, "DRAIN"), set(at, "READY")],
        ...[set(at + 2200, "DRAIN"), wait(at + 2200, 4)],
      ];
      expect(countFalse([playWorld({ balancers: [lost], deeds, end: OLD + 60_000 }, cut)])).toBe(0);
    }
  });

  test.each([
    ["every data packet is dropped, 100 ms", { interval: 100 }, 1, true],
    ["every data packet is dropped, 200 ms", { interval: 200 }, 1, true],
    ["every data packet is dropped, timeout 200 ms", { timeout: 200 }, 1, true],
    ["the round trip is 80 ms, agent-inter 100 ms", { interval: 100 }, 80, false],
  ])("no check reaches its load balancer in time: %s", (_, line, trip, isDeaf) => {
    const deaf = isDeaf ? [[OLD, Infinity] as const] : [];
    const lost = balancer("10.0.0.1", line, { trip, deaf });
    const results = play({
      balancers: [lost],
      deeds: [set(OLD + 20, "DRAIN"), wait(OLD + 20, 30)],
    });
    expect(causes(results)).toEqual(new Set(["missing"]));
  });

  test("a stranger is no load balancer, whether it reads or not", () => {
    for (const end of ["served", "unread"] as const) {
      const stranger = { address: "192.0.2.1", sent: "", at: OLD, end, open: 2 };
      const results = play({
        balancers: [],
        strangers: [stranger],
        deeds: [wait(OLD + 11_000, 5)],
      });
      expect(causes(results)).toEqual(new Set(["nobody"]));
    }
  });

  test("a line of db is not forgotten with that of web", () => {
    const lines = ["web", "db"].map((sent) => ({ sent, interval: 2000, timeout: 2000 }));
    const silent = lines.map((line) => ({ ...line, off: [[OLD, Infinity]] as const }));
    const results = play({
      services: ["web", "db"],
      balancers: [first, { ...balancer("10.0.0.2"), lines: silent }],
      deeds: [
        set(OLD + 10_000, "DRAIN", "web"),
        set(OLD + 10_000, "DRAIN", "db"),
        { at: OLD + 10_100, do: "forget", address: "10.0.0.2", name: "web" },
        wait(OLD + 10_200, 30, { name: "db" }),
        wait(OLD + 10_200, 30, { name: "web" }),
      ],
    });
    // That of web ends first: it is ok.
    expect(causes(results)).toEqual(new Set(["ok"]));
    expect(causes(results, 1)).toEqual(new Set(["missing"]));
  });

  test("the status that a wait is about changes, also by a service that goes and comes", () => {
    const change = { at: OLD + 300, do: "set", status: "UP", by: "SIGUSR1" } as const;
    const gone = { at: OLD + 300, do: "remove", name: "web" } as const;
    for (const deeds of [[change], [gone], [gone, { ...change, at: OLD + 350, name: "web" }]]) {
      const results = play({
        services: ["web"],
        balancers: [first],
        deeds: [
          set(OLD, "DRAIN"),
          set(OLD, "DRAIN", "web"),
          wait(OLD, 30, { name: "web" }),
          ...deeds,
        ],
      });
      expect(causes(results)).toEqual(new Set(["changed"]));
    }
  });
});

describe("an ok, not an error:", () => {
  const second = balancer("10.0.0.2");
  const deeds = [set(OLD + 12_000, "DRAIN"), wait(OLD + 12_000, 30)];
  const person = { address: "192.0.2.1", sent: "", at: OLD, end: "served", open: 2 } as const;

  test.each<[string, readonly StrangerPlan[]]>([
    ["a person has tried it", [person]],
    [
      "a port was scanned",
      Array.from({ length: 20 }, (_, i) => ({ ...person, end: "unread", at: OLD + 50 * i })),
    ],
    [
      "400 connections were silent, also from the address of a load balancer",
      Array.from({ length: 400 }, (_, i) => ({
        ...{ address: i % 2 ? "10.0.0.1" : "127.0.0.1", sent: undefined, at: OLD + i },
        ...{ end: "unread", open: 6000 },
      })),
    ],
  ])("%s", (_, strangers) => {
    const results = play({ balancers: [first, second], strangers, deeds });
    expect(causes(results)).toEqual(new Set(["ok"]));
    expect(countFalse(results)).toBe(0);
  });

  test.each([7, 30, 45, 60])("a monitor asks every %i s, and names say who counts", (seconds) => {
    for (const end of ["served", "unread"] as const) {
      const monitor = { ...person, at: 0, end, every: seconds * 1000 };
      const plan = { balancers: [first, second], strangers: [monitor], named: "10.0.0.1 10.0.0.2" };
      const results = play({ ...plan, deeds: [set(OLD, "DRAIN"), wait(OLD, 5)] });
      expect(causes(results)).toEqual(new Set(["ok"]));
      expect(countFalse(results)).toBe(0);
    }
  });

  test("nobody polls a new host, and that is allowed", () => {
    const results = play({ balancers: [], deeds: [wait(1000, 30, { count: 0 })] });
    expect(causes(results)).toEqual(new Set(["ok"]));
    expect(results[0]?.outcomes[0]?.at).toBeWithin(10_000, 10_200);
  });

  test("a stop ends when all have its status, though a port was scanned", () => {
    const scan = { ...person, end: "unread", at: OLD + 5000 } as const;
    const stop = { at: OLD + 12_000, do: "stop", grace: 30, down: 100 } as const;
    const results = play({ balancers: [first, second], strangers: [scan], deeds: [stop] });
    expect(causes(results)).toEqual(new Set(["ok"]));
    for (const { outcomes } of results) expect(outcomes[0]?.end.seconds).toBeLessThan(7);
  });

  test.each([5, 60, 600])("600 load balancers behind one address, cut off for %i s", (seconds) => {
    const [from, to] = [OLD + 8000, OLD + 8000 + seconds * 1000];
    const twin = balancer("10.0.9.1", {}, { trip: 30, cuts: [[from, to]], from: OLD });
    const plan = {
      balancers: Array.from({ length: 600 }, () => twin),
      deeds: [set(from + 4000, "DRAIN"), wait(from + 4000, seconds + 30)],
    };
    const result = playWorld({ ...plan, end: to + 5000 }, seconds);
    expect(result).toMatchObject({ falseOks: [], endless: undefined });
    expect(causes([result])).toEqual(new Set(["ok"]));
  });
});
