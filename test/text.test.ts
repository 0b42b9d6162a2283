// Text of somebody else never reaches a terminal as a command.
import { expect, test } from "bun:test";
import { findNearest, printable, quote } from "../src/text.ts";

test.each([
  ["UP 50%", "UP 50%"],
  ["caf\u00e9", "caf\u00e9"],
  ["\u001b]0;title\u0007", "\\u001b]0;title\\u0007"],
  ["\u007f\u009b31m", "\\u007f\\u009b31m"],
  ["a\u202eb\ufeff\u2028", "a\\u202eb\\ufeff\\u2028"],
])("%j is printed as %s", (text, shown) => {
  expect(printable(text)).toBe(shown);
});

test("a quoted text is JSON, without what a terminal may obey", () => {
  expect(quote('a "b"\n\u009b')).toBe('"a \\"b\\"\\n\\u009b"');
  expect(JSON.parse(quote("\u001b\u009b\u202e"))).toBe("\u001b\u009b\u202e");
});

test.each([
  ["chekc", "check"],
  ["STATUS", "status"],
  ["stat", "status"],
  ["frobnicate", undefined],
  ["", undefined],
])("the command nearest to %j is %s", (word, nearest) => {
  expect(findNearest(word, ["check", "status", "ctl"])).toBe(nearest);
});
