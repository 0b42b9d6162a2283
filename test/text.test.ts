// - Text of somebody else never reaches a terminal as a command.
// - A mistyped word finds the nearest one that may be meant: at most two letters away, and fewer
//   than half of them.
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

test.each([
  ["reloa", ["reloads", "reload"], "reload"],
  ["at", ["ctl"], undefined],
  ["wxyt", ["wait"], undefined],
  ["xhekc", ["check"], "check"],
  ["hcecx", ["check"], "check"],
  ["konfikuratiom", ["configuration"], undefined],
])("the word nearest to %j among %j is %s", (word, words, nearest) => {
  expect(findNearest(word, words)).toBe(nearest);
});

test("a word is near by the letters inserted, removed, replaced or swapped", () => {
  /** The distance as its definition says it, from the first letters on. */
  function measure(one: string, other: string): number {
    if (one === "" || other === "") return one.length + other.length;
    const [a, b] = [one.slice(1), other.slice(1)];
    const distances = [measure(a, other) + 1, measure(one, b) + 1];
    distances.push(measure(a, b) + (one[0] === other[0] ? 0 : 1));
    const isSwap = a !== "" && one[0] === other[1] && one[1] === other[0];
    if (isSwap) distances.push(measure(a.slice(1), b.slice(1)) + 1);
    return Math.min(...distances);
  }
  const letter = fc.constantFrom("a", "b", "c");
  const word = fc.string({ unit: letter, minLength: 3, maxLength: 6 });
  /** Mostly near to the word: letters at some places of it are others, or more, or none. */
  const places = fc.array(
    fc.tuple(fc.nat(5), fc.nat(2), fc.string({ unit: letter, maxLength: 2 })),
  );
  fc.assert(
    fc.property(word, places, (other, changes) => {
      let one = other;
      for (const [at, count, letters] of changes.slice(0, 2)) {
        one = one.slice(0, at) + letters + one.slice(at + count);
      }
      const distance = measure(one, other);
      const isNear = distance <= 2 && distance < other.length / 2;
      expect(findNearest(one, [other])).toBe(isNear ? other : undefined);
    }),
    { numRuns: 500 },
  );
});

test("nothing is near to a word as long as a file", () => {
  expect(findNearest("status".repeat(10_000), ["status"])).toBeUndefined();
});
