// What was once told wrong to operators, each as a world of its own, from twenty moments on: when
// each load balancer asks is what a seed decides.
import { describe, expect, test } from "bun:test";
import type { BalancerPlan, LinePlan, Plan, StrangerPlan, TimedDeed } from "./plan.ts";
import { playWorld } from "./world.ts";

/** An age at which an agent is careful no more (ms). */
const OLD = 310_000;

type Row = Omit<Plan, "end"> & { readonly end?: number };

function balancer(
  host: number,
  line: Partial<LinePlan> = {},
  more: Partial<BalancerPlan> = {},
): BalancerPlan {
  const { interval = 2000 } = line;
  const lines = [{ sent: "web", timeout: interval, ...line, interval }];
  return { address: `10.0.0.${host}`, lines, trip: 1, ...more };
}

/** A status is set, and a wait begins. */
function change(at: number, seconds: number): TimedDeed[] {
  return [
    { at, do: "set", status: "DRAIN" },
    { at, do: "wait", seconds },
  ];
}

/** How the first wait of twenty worlds ends: ok, or why not. No ok may be false. */
function play(row: Row): string[] {
  const end = Math.max(...row.deeds.map(({ at }) => at)) + 60_000;
  const results = Array.from({ length: 20 }, (_, seed) => playWorld({ end, ...row }, seed + 1));
  expect(results.flatMap(({ falseOks }) => falseOks)).toEqual([]);
  const causes = results.map(({ ends }) => ends[0]?.problem ?? "ok");
  return [...new Set(causes.map((each) => (typeof each === "object" ? "changed" : each)))];
}

const [first, second] = [balancer(1, { interval: 1000 }), balancer(2)];
const drain = change(OLD + 12_000, 30);

describe("a wait is an error where", () => {
  test.each([5, 70, 3600])(
    "the agent check of a second one was disabled %i s before",
    (seconds) => {
      const at = OLD + seconds * 1000;
      const off = balancer(2, { off: [[OLD, Infinity]] });
      expect(play({ balancers: [first, off], deeds: change(at, 30) })).toEqual(["missing"]);
    },
  );

  test("a line asks every 2 minutes, unless the wait is as long", () => {
    const row = { balancers: [balancer(1, { interval: 120_000, timeout: 10_000 })], end: 900_000 };
    const brief = play({ ...row, deeds: change(700_000, 30) });
    expect(brief.toSorted()).toEqual(["missing", "unsettled"]);
    expect(play({ ...row, deeds: change(700_000, 150) })).toEqual(["ok"]);
  });

  test("a named one that asks every 20 s had just asked when the agent was restarted", () => {
    const slow = balancer(2, { interval: 20_000 });
    const deeds = [{ at: OLD, do: "restart", down: 100 } as const, ...change(OLD + 10_600, 9)];
    const causes = play({ balancers: [first, slow], deeds, named: "10.0.0.1 10.0.0.2" });
    expect(causes).toContain("missing");
  });

  test("a reply was read, and the link cut before the agent heard of it", () => {
    const drained = { at: OLD, do: "set", status: "DRAIN" } as const;
    const ready = { at: OLD + 10_000, do: "set", status: "READY" } as const;
    const deeds = [drained, ready, ...change(OLD + 12_200, 4)];
    for (let cut = 0; cut < 2100; cut += 100) {
      const cuts = [[OLD + 10_000 + cut, OLD + 40_000]] as const;
      expect(play({ balancers: [balancer(1, {}, { trip: 300, cuts })], deeds })).toContain(
        "missing",
      );
    }
  });

  test.each<[string, Partial<LinePlan>, Partial<BalancerPlan>]>([
    ["every packet of data is lost", { interval: 100 }, { deaf: [[OLD, Infinity]] }],
    ["that is so, and a check may take less", { timeout: 200 }, { deaf: [[OLD, Infinity]] }],
    ["a round trip takes 80 of its 100 ms", { interval: 100 }, { trip: 80 }],
  ])("%s", (_, line, more) => {
    expect(play({ balancers: [balancer(1, line, more)], deeds: drain })).toEqual(["missing"]);
  });

  test.each(["served", "unread"] as const)("only a stranger has asked, %s", (end) => {
    const strangers = [{ address: "192.0.2.1", sent: "", at: OLD, end, open: 2 }];
    expect(play({ balancers: [], strangers, deeds: drain })).toEqual(["nobody"]);
  });

  test.each<[string, readonly TimedDeed[]]>([
    ["the status changes", [{ at: OLD + 300, do: "set", status: "UP", by: "SIGUSR1" }]],
    ["the service goes", [{ at: OLD + 300, do: "remove", name: "web" }]],
  ])("%s meanwhile", (_, deeds) => {
    const set = { at: OLD, do: "set", status: "DRAIN" } as const;
    const wait = { at: OLD, do: "wait", seconds: 30, name: "web" } as const;
    const row = { services: ["web"], balancers: [first] };
    const before = [set, { ...set, name: "web" }, wait];
    expect(play({ ...row, deeds: [...before, ...deeds] })).toEqual(["changed"]);
  });
});

describe("a wait is ok where", () => {
  const person = { address: "192.0.2.1", sent: "", at: OLD, end: "served", open: 2 } as const;
  const silent = { address: "10.0.0.1", sent: undefined, end: "unread", open: 6000 } as const;
  const monitor = { ...person, at: 0, every: 45_000 };

  test.each<[string, readonly StrangerPlan[], string | undefined]>([
    ["a person has tried it", [person], undefined],
    [
      "a port was scanned",
      [0, 50, 100].map((ms) => ({ ...person, end: "unread", at: OLD + ms })),
      undefined,
    ],
    [
      "400 were silent",
      Array.from({ length: 400 }, (_, i) => ({ ...silent, at: OLD + i })),
      undefined,
    ],
    ["a monitor asks, and names say who counts", [monitor], "10.0.0.1 10.0.0.2"],
    ["it never reads", [{ ...monitor, end: "unread" }], "10.0.0.1 10.0.0.2"],
  ])("%s", (_, strangers, named) => {
    const row = { balancers: [first, second], strangers, deeds: drain };
    expect(play({ ...row, ...(named !== undefined && { named }) })).toEqual(["ok"]);
  });

  test("nobody polls a new host, and that is allowed", () => {
    const deeds = [{ at: 1000, do: "wait", seconds: 30, count: 0 } as const];
    expect(play({ balancers: [], deeds })).toEqual(["ok"]);
  });

  // After an outage HAProxy's checks of many lines come together, and stay so.
  test.each([10, 300, 1200])("40 behind one address ask in a bunch of %i ms", (within) => {
    const twin = balancer(9, { within });
    const balancers = Array.from({ length: 40 }, () => twin);
    expect(play({ balancers, deeds: change(OLD + 12_000, 9) })).toEqual(["ok"]);
  });

  test.each([5, 60, 600])("600 are behind one address, and were cut off for %i s", (seconds) => {
    const [from, to] = [OLD + 8000, OLD + 8000 + seconds * 1000];
    const twin = balancer(9, {}, { trip: 30, cuts: [[from, to]], from: OLD });
    const balancers = Array.from({ length: 600 }, () => twin);
    const plan = { balancers, deeds: change(from + 4000, seconds + 30), end: to + 5000 };
    const { ends, ...rest } = playWorld(plan, seconds);
    expect(ends.map(({ problem }) => problem)).toEqual([undefined, undefined]);
    expect(rest).toEqual({ falseOks: [], endless: undefined });
  });
});
