// A reply is one line of words that HAProxy's manual allows, for any state.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatReply } from "../../src/state/reply.ts";
import type { State } from "../../src/state/state.ts";
import { anyState } from "../arbitraries.ts";

/** What HAProxy's configuration manual allows, in the order in which the original writes it. */
const GRAMMAR =
  /^(UP|DOWN|READY|DRAIN|FAIL|MAINT|STOPPED)( \d{1,3}%)?( maxconn:\d{1,5})?( #[ -~]{1,100})?\n$/;

describe("formatReply", () => {
  test.each<[State, string]>([
    [{ status: "UP" }, "UP\n"],
    [{ status: "DOWN", weight: 0 }, "DOWN 0%\n"],
    [{ status: "READY", weight: 75, maxconn: 1000 }, "READY 75% maxconn:1000\n"],
    [{ status: "DRAIN", maxconn: 0 }, "DRAIN maxconn:0\n"],
    [{ status: "DOWN", weight: 50, reason: "deploying v42" }, "DOWN 50% #deploying v42\n"],
    [{ status: "UP", maxconn: 5, reason: "back" }, "UP maxconn:5 #back\n"],
    [{ status: "UP", reason: "" }, "UP\n"],
    [{ status: "DRAIN", reason: "not after an administrative word" }, "DRAIN\n"],
  ])("%j is %j", (state, reply) => {
    expect(formatReply(state, "exact")).toBe(reply);
  });

  test.each<[State, string]>([
    [{ status: "UP" }, "ready up 100%\n"],
    [{ status: "READY", weight: 75, maxconn: 1000 }, "ready up 75% maxconn:1000\n"],
    [{ status: "DOWN", weight: 0 }, "ready down 0%\n"],
    [{ status: "FAIL" }, "ready fail 100%\n"],
    [{ status: "STOPPED" }, "ready stopped 100%\n"],
    [{ status: "DRAIN", reason: "deploying" }, "up drain 100% #deploying\n"],
    [{ status: "MAINT", reason: "no health word" }, "maint 100%\n"],
  ])("of %j in full is %j", (state, reply) => {
    expect(formatReply(state, "full")).toBe(reply);
  });

  test("of every state is one line of HAProxy's grammar", () => {
    fc.assert(
      fc.property(anyState, (state) => {
        expect(formatReply(state, "exact")).toMatch(GRAMMAR);
      }),
    );
  });

  test("of every state without a reason is under 128 bytes", () => {
    fc.assert(
      fc.property(anyState, ({ reason: _, ...state }) => {
        expect(Buffer.byteLength(formatReply(state, "exact"))).toBeLessThan(128);
      }),
    );
  });
});
