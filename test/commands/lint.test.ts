// `check` warns where HAProxy reads a state differently from what its author may expect.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { findWarnings } from "../../src/commands/lint.ts";
import type { ReplyMode } from "../../src/state/reply.ts";
import type { State } from "../../src/state/state.ts";
import { anyState } from "../arbitraries.ts";

const READY = "READY does not undo DOWN, FAIL or STOPPED: only UP does";
const REASON = "the reason is not shown: HAProxy takes one with UP, DOWN, FAIL and STOPPED only";
const ZERO = "weight 0 takes the server out of rotation";
const SHARE = "a share of a configured `weight 1` below 100% is 0: configure `weight 100`";
const NO_LIMIT = "maxconn 0 is no limit";

describe("findWarnings", () => {
  test.each<[State, ReplyMode, string[]]>([
    [{ status: "DOWN" }, "exact", []],
    [{ status: "FAIL", weight: 100, maxconn: 1, reason: "why" }, "exact", []],
    [{ status: "DRAIN" }, "exact", []],
    [{ status: "READY" }, "exact", [READY]],
    [{ status: "READY" }, "full", []],
    [{ status: "UP" }, "exact", []],
    [{ status: "UP" }, "full", []],
    [{ status: "DRAIN", reason: "why" }, "exact", [REASON]],
    [{ status: "DRAIN", reason: "why" }, "full", []],
    [{ status: "MAINT", reason: "why" }, "full", [REASON]],
    [{ status: "MAINT", reason: "" }, "full", []],
    [{ status: "DOWN", weight: 0 }, "exact", [ZERO]],
    [{ status: "DOWN", weight: 1 }, "exact", [SHARE]],
    [{ status: "DOWN", weight: 99 }, "full", [SHARE]],
    [{ status: "DOWN", weight: 255 }, "exact", []],
    [{ status: "DOWN", maxconn: 0 }, "exact", [NO_LIMIT]],
    [
      { status: "READY", weight: 50, maxconn: 0, reason: "a" },
      "exact",
      [READY, REASON, SHARE, NO_LIMIT],
    ],
  ])("of %j in mode %s are %j", (state, mode, warnings) => {
    expect(findWarnings(state, mode)).toEqual(warnings);
  });

  test("with full replies are never about what sticks", () => {
    fc.assert(
      fc.property(anyState, (state) => {
        const warnings = findWarnings(state, "full");
        expect(warnings).not.toContain(READY);
      }),
    );
  });
});
