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
    ['{"a": [1, ]}', '1:11: expected a value, got "]" (trailing comma)'],
    ['{"status": "UP" // up\n}', '1:17: expected "," or "}", got "/" (JSON has no comments)'],
    ["{'status': 'UP'}", `1:2: expected a property name, got "'" (JSON has double quotes only)`],
    [
      '{"status": \u201cUP\u201d}',
      '1:12: expected a value, got "\u201c" (JSON has double quotes only)',
    ],
    ['{"weight": 050}', '1:13: expected the end of a number, got "5" (leading zero)'],
    ['{"weight": +5}', '1:12: expected a value, got "+"'],
    ['{"weight": 5.}', '1:13: expected the end of a number, got "."'],
    ['{"weight": -}', '1:12: expected a number, got "-"'],
    ['{"status": UP}', '1:12: expected a value, got "U"'],
    ['{"status" "UP"}', '1:11: expected ":", got "\\""'],
    ['{"status": "UP" "weight": 5}', '1:17: expected "," or "}", got "\\""'],
    ['{"status": "UP"', '1:16: expected "," or "}", got the end of the file'],
    ['{"status": "U', "1:14: expected the closing quote of a string, got the end of the file"],
    ['{"status": "U\n"}', '1:14: expected a character of a string, got "\\n" (escape it)'],
    ['{"a": "\\x"}', '1:8: expected an escape such as \\n or \\u0041, got "\\\\"'],
    ['{"status": "UP"}}', '1:17: expected the end of the file, got "}"'],
    ['\ufeff{"status": "UP"}', '1:1: expected a value, got "\\ufeff" (a byte order mark)'],
    ["", "1:1: expected a value, got the end of the file"],
    ["nul", '1:1: expected a value, got "n"'],
    ["\u001b[31m", '1:1: expected a value, got "\\u001b"'],
  ])("of %j says %s", (text, mistake) => {
    expect(findMistake(text)).toBe(mistake);
    expect(isJson(text)).toBe(false);
  });

  test("finds none in whatever is JSON", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(0, 2, "\t"), (value, space) => {
        expect(findMistake(JSON.stringify(value, null, space))).toBeUndefined();
      }),
    );
  });

  test("finds one exactly where the runtime's parser finds one", () => {
    const piece = fc.constantFrom(
      ..."{}[]:,\"'0123456789.eE+- \n\\u/tfn",
      "true",
      "null",
      '"a"',
      "\t",
    );
    fc.assert(
      fc.property(
        fc.array(piece).map((pieces) => pieces.join("")),
        (text) => {
          expect(findMistake(text) === undefined).toBe(isJson(text));
        },
      ),
      { numRuns: 5000 },
    );
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(), fc.string({ maxLength: 2 }), (value, at, added) => {
        const json = JSON.stringify(value);
        const cut = at % (json.length + 1);
        const text = json.slice(0, cut) + added + json.slice(cut + (at % 3));
        expect(findMistake(text) === undefined).toBe(isJson(text));
      }),
      { numRuns: 5000 },
    );
  });
});
