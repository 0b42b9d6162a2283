// - Text of somebody else never reaches a terminal as a command.
// - A mistyped word finds the nearest one that may be meant: at most two letters away, and fewer
//   than half of them.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { findNearest, printable, printableAscii, quote } from "../src/text.ts";
import { anyText } from "./arbitraries.ts";

test.each([
  ["caf\u00e9", "caf\u00e9"],
  ["\u001b]0;title\u0007", "\\u001b]0;title\\u0007"],
  ["\u007f\u009b31m", "\\u007f\\u009b31m"],
  ["a\u202eb\ufeff\u2028", "a\\u202eb\\ufeff\\u2028"],
  ["\u{e0001}\ud800", "\\udb40\\udc01\\ud800"],
])("%j is printed as %s", (text, shown) => {
  expect(printable(text)).toBe(shown);
});

test("of any text nothing but ASCII is left, and JSON stays the same JSON", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      expect(printableAscii(text)).toMatch(/^[\t -~]*$/);
      expect(JSON.parse(printableAscii(JSON.stringify(text)))).toBe(text);
      expect(JSON.parse(quote(text))).toBe(text);
    }),
  );
});

test.each([
  // Swapped, in other case, inserted, removed, replaced, two of them.
  ["chekc", ["check", "status"], "check"],
  ["STATUS", ["check", "status"], "status"],
  ["stat", ["check", "status"], "status"],
  ["ctrl", ["status", "ctl"], "ctl"],
  ["hcecx", ["check"], "check"],
  ["reloa", ["reloads", "reload"], "reload"],
  // Half of its letters, or more than two.
  ["wxyt", ["wait"], undefined],
  ["konfikuratiom", ["configuration"], undefined],
  ["", ["ctl"], undefined],
])("the word nearest to %j among %j is %s", (word, words, nearest) => {
  expect(findNearest(word, words)).toBe(nearest);
});

test("nothing is near to a word as long as a file", () => {
  expect(findNearest("status".repeat(10_000), ["status"])).toBeUndefined();
});
