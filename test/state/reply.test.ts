// A reply is one line of words that HAProxy's manual allows, for any states. Of the states that it
// is made of the most severe decides, and none makes a service more available than another says.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatReply } from "../../src/state/reply.ts";
import type { State, Status } from "../../src/state/state.ts";
import { anyState } from "../arbitraries.ts";

/** What HAProxy's configuration manual allows, in the order in which the original writes it. */
const GRAMMAR =
  /^(UP|DOWN|READY|DRAIN|FAIL|MAINT|STOPPED)( \d{1,3}%)?( maxconn:\d{1,5})?( #[ -~]{1,100})?\n$/;

describe("formatReply", () => {
  test.each<[State, string]>([
    [{ status: "DOWN", weight: 0 }, "DOWN 0%\n"],
    [{ status: "READY", weight: 75, maxconn: 1000 }, "READY 75% maxconn:1000\n"],
    [{ status: "DOWN", weight: 50, reason: "deploying v42" }, "DOWN 50% #deploying v42\n"],
    [{ status: "UP", reason: "" }, "UP\n"],
    [{ status: "DRAIN", reason: "not after an administrative word" }, "DRAIN\n"],
  ])("%j is %j", (state, reply) => {
    expect(formatReply([state], "exact")).toBe(reply);
  });

  test.each<[State, string]>([
    [{ status: "UP" }, "ready up 100%\n"],
    [{ status: "READY", weight: 75, maxconn: 1000 }, "ready up 75% maxconn:1000\n"],
    [{ status: "DRAIN", reason: "deploying" }, "up drain 100% #deploying\n"],
    [{ status: "MAINT", reason: "no health word" }, "maint 100%\n"],
  ])("of %j in full is %j", (state, reply) => {
    expect(formatReply([state], "full")).toBe(reply);
  });

  test("of every state is one line of HAProxy's grammar, under 128 bytes without a reason", () => {
    fc.assert(
      fc.property(anyState, ({ reason, ...state }) => {
        expect(formatReply([state], "exact").length).toBeLessThan(128);
        expect(formatReply([{ ...state, ...(reason && { reason }) }], "exact")).toMatch(GRAMMAR);
      }),
    );
  });
});

/** From the most to the least available. */
const HOSTS: readonly Status[] = ["UP", "READY", "DRAIN", "DOWN", "STOPPED", "FAIL", "MAINT"];

describe("a reply of a service and the host before it", () => {
  test("is exactly one word, the more severe; of UP and READY the service's own", () => {
    for (const [i, status] of HOSTS.entries()) {
      for (const [j, host] of HOSTS.entries()) {
        const severe = j > Math.max(i, 1) ? host : status;
        expect(formatReply([{ status }, { status: host }], "exact")).toBe(`${severe}\n`);
      }
    }
  });

  test.each<[State, State, string, string]>([
    [
      { status: "UP", weight: 5, reason: "own" },
      { status: "DOWN", weight: 9, maxconn: 9, reason: "host" },
      "DOWN 5% #host",
      "ready down 5% #host",
    ],
    [
      { status: "DOWN", maxconn: 7, reason: "own" },
      { status: "UP", reason: "host" },
      "DOWN maxconn:7 #own",
      "ready down 100% maxconn:7 #own",
    ],
    [
      { status: "DOWN", reason: "own" },
      { status: "MAINT", reason: "host" },
      "MAINT",
      "maint down 100% #own",
    ],
  ])(
    "has the service's limits and the reason of whom it decides: %j, %j",
    (own, host, exact, full) => {
      expect(formatReply([own, host], "exact")).toBe(`${exact}\n`);
      expect(formatReply([own, host], "full")).toBe(`${full}\n`);
    },
  );

  test("is in full the most severe health and the most closed administrative word of all", () => {
    const parts = [
      ["up", "down", "stopped", "fail"],
      ["ready", "drain", "maint"],
    ];
    const rank = (reply: string) =>
      parts.map((words) => words.findLastIndex((word) => reply.split(" ").includes(word)));
    fc.assert(
      fc.property(fc.array(anyState, { minLength: 2, maxLength: 3 }), ([own, ...before]) => {
        const states = [own ?? { status: "UP" }, ...before] as const;
        const ranks = states.map(({ status }) => rank(formatReply([{ status }], "full")));
        const worst = parts.map((_, i) => Math.max(0, ...ranks.map((each) => each[i] ?? 0)));
        const reply = formatReply(states, "full").replace(/ #.*/, "");
        expect(rank(reply).map((each) => Math.max(0, each))).toEqual(worst);
      }),
    );
  });
});
