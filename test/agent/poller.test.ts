// What a poller was told is never more than what it can have heard, whatever becomes of its checks;
// and a wait that is cheap finds what a look at all of them finds.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Poller, type WrittenReply } from "../../src/agent/poller.ts";
import { findProblem, survey } from "../../src/agent/survey.ts";
import { Wait } from "../../src/agent/wait.ts";
import { Bench } from "./pollers-fixture.ts";

/** What happens to the checks of a line, one after another or beside each other. */
const anySteps = fc.array(
  fc.oneof(
    fc.record({ write: fc.constantFrom("UP", "DRAIN", "DOWN", "MAINT") }),
    fc.record({ close: fc.nat(5), isServed: fc.boolean() }),
  ),
  { maxLength: 60 },
);

interface ModelReply {
  readonly reply: string;
  readonly written: WrittenReply;
  fate: "open" | "served" | "lost";
}

/** What a line can have heard last: nothing is forgotten here, and nothing is clever. */
function listPossible(replies: readonly ModelReply[]): Set<string> {
  const last = replies.findLastIndex(({ fate }) => fate === "served");
  const possible = replies.filter(({ fate }, i) => fate === "open" || i >= last);
  return new Set(possible.map(({ reply }) => reply));
}

describe("a poller", () => {
  test("is told a reply only when it cannot have heard another one since", () => {
    let told = 0;
    const property = fc.property(anySteps, (steps) => {
      const poller = new Poller("192.0.2.1", "web", undefined, 0);
      const replies: ModelReply[] = [];
      for (const [now, step] of steps.entries()) {
        if ("write" in step) {
          const written = poller.write(step.write, now);
          replies.push({ reply: step.write, written, fate: "open" });
        } else {
          const open = replies.filter(({ fate }) => fate === "open");
          const check = open[step.close % Math.max(1, open.length)];
          if (!check) continue;
          poller.close(check.written, step.isServed, now);
          check.fate = step.isServed ? "served" : "lost";
        }
        const possible = listPossible(replies);
        const isKnown = replies.some(({ fate }) => fate === "served") && possible.size === 1;
        for (const reply of ["UP", "DRAIN", "DOWN", "MAINT"]) {
          expect(poller.isTold(reply)).toBe(isKnown && possible.has(reply));
          if (poller.isTold(reply)) told += 1;
        }
      }
    });
    fc.assert(property, { numRuns: 500 });
    expect(told).toBeGreaterThan(100);
  });

  test("remembers few of many replies that it may have heard, and takes none for heard", () => {
    const poller = new Poller("192.0.2.1", "web", undefined, 0);
    poller.close(poller.write("UP", 0), true, 0);
    for (let i = 0; i < 1000; i += 1) poller.close(poller.write(`UP ${i}%`, i), false, i);
    poller.close(poller.write("UP", 1000), false, 1000);
    expect(poller.doubts.length).toBeLessThan(10);
    expect(poller.isTold("UP")).toBe(false);
  });
});

describe("a wait", () => {
  /** Some pollers of which each asks when it is its turn. */
  const anyTurns = fc.array(
    fc.record({
      poller: fc.nat(5),
      isServed: fc.boolean(),
      change: fc.constantFrom(undefined, undefined, undefined, 10, 20),
      after: fc.constantFrom(100, 700, 3000),
    }),
    { minLength: 20, maxLength: 80 },
  );

  test("ends when a look at all pollers says so, at most a moment later", () => {
    let oks = 0;
    const property = fc.property(anyTurns, (turns) => {
      const bench = new Bench();
      for (let i = 0; i < 6; i += 1) bench.check([0, 1, 2], `10.0.0.${i}`);
      const scope = { replies: bench.host, pollers: bench.pollers, name: undefined };
      const wait = new Wait({ ...scope, seconds: 10_000, count: undefined, now: 2000 });
      let now = 2000;
      for (const { poller, isServed, change, after } of turns) {
        now += after;
        bench.check([now / 1000], `10.0.0.${poller}`, "", isServed);
        if (change !== undefined) bench.host.put(undefined, "UP", "socket", now, change);
        const problem = findProblem(scope, undefined, survey(scope, now), now);
        const end = wait.look(now);
        if (end) {
          expect(problem).toBeUndefined();
          oks += 1;
          return;
        }
        // It looks at all of them again a moment later.
        if (problem === undefined) {
          expect(wait.look(now + 10)?.problem).toBeUndefined();
          expect(wait.look(now + 10)).toBeDefined();
        }
      }
    });
    fc.assert(property, { numRuns: 300 });
    expect(oks).toBeGreaterThan(30);
  });

  test("among 4,096 pollers costs by what changes, not by looks at all of them", () => {
    const bench = new Bench();
    const addresses = Array.from({ length: 4096 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
    for (const address of addresses) bench.check([0, 1, 2], address);
    bench.at(3).set("DRAIN");
    let asked = 0;
    const replies = new Proxy(bench.host, {
      get(host, property) {
        if (property === "replyTo") asked += 1;
        const value: unknown = Reflect.get(host, property, host);
        return typeof value === "function" ? value.bind(host) : value;
      },
    });
    const scope = { replies, pollers: bench.pollers, name: undefined };
    const wait = new Wait({ ...scope, seconds: 600, count: undefined, now: 3000 });
    for (let i = 0; i < 1000; i += 1) {
      expect(wait.look(3000 + i * 100)).toBeUndefined();
      // Four of them ask between two looks.
      for (const address of addresses.slice(i * 4, i * 4 + 4)) {
        bench.check([3 + i / 10], address);
      }
    }
    // Two looks at all of them, a few at each of them on its own, and one a look.
    expect(asked).toBeLessThan(10 * 4096);
    for (const address of addresses.slice(4000)) bench.check([103.1], address);
    expect(wait.look(110_000)?.problem).toBeUndefined();
  });
});
