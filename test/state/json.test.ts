// A text that is no JSON is refused with the place where it stops being JSON.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { findMistake } from "../../src/state/json.ts";

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe("findMistake", () => {
  test.each([
    ['{\n  "status": "UP",\n}', '3:1: expected a property name, got "}" (trailing comma)'],
    ['{"status": "UP" // up\n}', '1:17: expected "," or "}", got "//" (JSON has no comments)'],
    [
      '{"status": \u201cUP\u201d}',
      '1:12: expected a value, got "\u201c" (JSON has double quotes only)',
    ],
    ['{status: "UP"}', '1:2: expected a property name, got "status" (text needs double quotes)'],
    ['{"status": UP}', '1:12: expected a value, got "UP" (text needs double quotes)'],
    ['{"a": True}', '1:7: expected a value, got "True" (did you mean true?)'],
    ['{"weight": 050}', '1:12: expected a number, got "050" (no leading zero)'],
    ['{"weight": 0x1F}', '1:12: expected a number, got "0x1F" (decimal numbers only)'],
    ['{"weight": +5}', '1:12: expected a number, got "+5" (no plus sign)'],
    ['{"weight": 5.}', '1:12: expected a number, got "5." (a digit after the point)'],
    ['{"weight": .5}', '1:12: expected a number, got ".5" (a digit before the point)'],
    ['{"status" "UP"}', '1:11: expected ":", got "\\""'],
    ['{"status": "UP"\n "weight": 5}', '2:2: expected "," or "}", got "\\"" (missing comma)'],
    ['{"status": "UP"\n\n', '1:16: expected "," or "}", got the end of the file (cut off?)'],
    ['{"status": "U', "1:14: expected a closing quote, got the end of the file (cut off?)"],
    ['{"status": "U\n"}', '1:14: expected a closing quote, got "\\n"'],
    [
      '{"a": "b\tc"}',
      '1:9: expected a printable character, got "\\t" (in a string it needs an escape)',
    ],
    ['{"a": "\\x"}', '1:8: expected an escape such as \\n, \\\\ or \\u0041, got "\\\\x"'],
    ['{"status": "UP"}}', '1:17: expected the end of the file, got "}"'],
    ['\ufeff{"status": "UP"}', '1:1: expected a value, got "\\ufeff" (a byte order mark)'],
    ['{\u00a0"status": "UP"}', '1:2: expected a property name, got "\u00a0" (a no-break space)'],
    [" \n", "expected a JSON object, got nothing"],
    [
      `{${"x".repeat(100)}`,
      `1:2: expected a property name, got "${"x".repeat(20)}" (text needs double quotes)`,
    ],
  ])("of %j says %s", (text, mistake) => {
    expect(findMistake(text)).toBe(mistake);
    expect(isJson(text)).toBe(false);
  });

  test("finds one exactly where the runtime's parser finds one", () => {
    const added = fc.array(fc.constantFrom(..."{}[]:,\"'0.e+- \\u/t\t\u007f\u2028"), {
      maxLength: 3,
    });
    const property = fc.property(fc.jsonValue(), fc.nat(), added, (value, at, more) => {
      const json = JSON.stringify(value);
      const cut = at % (json.length + 1);
      const text = json.slice(0, cut) + more.join("") + json.slice(cut + (at % 3));
      expect(findMistake(text) === undefined).toBe(isJson(text));
    });
    fc.assert(property, { numRuns: 5000 });
  });
});
