// An error is told in words that a person understands, with its errno where it has one.
import { expect, test } from "bun:test";
import { codeOf, describeError } from "../src/errors.ts";

test.each([
  ["ENOENT", "no such file or directory (ENOENT)"],
  ["EDQUOT", "disk quota exceeded (EDQUOT)"],
  ["ENONSENSE", "ENONSENSE"],
  [undefined, "the call failed"],
])("an error with the code %j is told as %s", (code, words) => {
  const error = Object.assign(new Error("the call failed"), code && { code });
  expect(describeError(error)).toBe(words);
  expect(codeOf(error)).toBe(code);
});
