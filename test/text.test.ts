// Text of somebody else never reaches a terminal as a command.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { findNearest, printable, printableAscii, quote } from "../src/text.ts";
import { anyText } from "./arbitraries.ts";

test.each([
  ["UP 50%", "UP 50%"],
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

test("a quoted text is JSON, without what a terminal may obey", () => {
  expect(quote('a "b"\n\u009b')).toBe('"a \\"b\\"\\n\\u009b"');
  expect(JSON.parse(quote("\u001b\u009b\u202e"))).toBe("\u001b\u009b\u202e");
});

test.each([
  ["chekc", "check"],
  ["STATUS", "status"],
  ["stat", "status"],
  ["satus", "status"],
  ["ctrl", "ctl"],
  ["ls", undefined],
  ["frobnicate", undefined],
  ["", undefined],
])("the command nearest to %j is %s", (word, nearest) => {
  expect(findNearest(word, ["check", "status", "ctl"])).toBe(nearest);
});

test("nothing is near to a word as long as a file", () => {
  expect(findNearest("status".repeat(10_000), ["status"])).toBeUndefined();
});
