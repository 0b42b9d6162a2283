// The words of a reply, as HAProxy reads them.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isWellFormed, readStatuses } from "../../src/commands/words.ts";
import { formatReply, type ReplyMode } from "../../src/state/reply.ts";
import type { Status } from "../../src/state/state.ts";
import { anyState } from "../arbitraries.ts";

describe("readStatuses", () => {
  test.each<[string, Status[]]>([
    ["UP 50%", ["UP"]],
    ["ready up 100%", ["UP", "READY"]],
    ["drain ready stopped", ["STOPPED"]],
    ["maint\tdown", ["MAINT"]],
    ["up,fail", ["FAIL"]],
    ["up #down drain", ["UP"]],
    ["50% maxconn:1", []],
  ])("of %j are %j", (reply, statuses) => {
    expect(readStatuses(reply)).toEqual(statuses);
  });

  test.each([
    ["", false],
    ["up 5", false],
    ["up,100%", true],
    ["up #any text at all", true],
    ["drain #text", false],
  ])("HAProxy knows every word of %j: %p", (reply, isKnown) => {
    expect(isWellFormed(reply)).toBe(isKnown);
  });

  test("of any reply of an agent are those of its state, and it is well-formed", () => {
    fc.assert(
      fc.property(anyState, fc.constantFrom<ReplyMode>("exact", "full"), (state, mode) => {
        const reply = formatReply([state], mode).trimEnd();
        expect(readStatuses(reply)).toContain(state.status);
        expect(isWellFormed(reply)).toBe(true);
      }),
    );
  });
});
