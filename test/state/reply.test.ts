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
  test.each<[State, string, string]>([
    [{ status: "UP", reason: "" }, "UP", "ready up 100%"],
    [{ status: "DOWN", weight: 0 }, "DOWN 0%", "ready down 0%"],
    [{ status: "READY", maxconn: 10 }, "READY maxconn:10", "ready up 100% maxconn:10"],
    [{ status: "FAIL", weight: 5, reason: "v42" }, "FAIL 5% #v42", "ready fail 5% #v42"],
    // A reason needs a health word before it.
    [{ status: "DRAIN", reason: "v42" }, "DRAIN", "up drain 100% #v42"],
    [{ status: "MAINT", reason: "v42" }, "MAINT", "maint 100%"],
  ])("%j is %j, and in full %j", (state, exact, full) => {
    expect(formatReply([state], "exact")).toBe(`${exact}\n`);
    expect(formatReply([state], "full")).toBe(`${full}\n`);
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
    // Of two alike the host's.
    [
      { status: "DOWN", reason: "own" },
      { status: "DOWN", reason: "host" },
      "DOWN #host",
      "ready down 100% #host",
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

  test.each<[Status, Status, string]>([
    ["UP", "READY", "ready up"],
    ["DOWN", "STOPPED", "ready stopped"],
    ["STOPPED", "FAIL", "ready fail"],
    ["DRAIN", "MAINT", "maint"],
    ["DRAIN", "DOWN", "drain down"],
    ["FAIL", "MAINT", "maint fail"],
  ])(
    "is in full the worse health and administrative word: of %s and %s %s",
    (one, other, words) => {
      for (const [own, host] of [
        [one, other],
        [other, one],
      ] as const) {
        expect(formatReply([{ status: own }, { status: host }], "full")).toBe(`${words} 100%\n`);
      }
    },
  );
});
