// An error is told in words that a person understands, with its errno where it has one.
import { expect, test } from "bun:test";
import { codeOf, describeError } from "../src/errors.ts";

function failed(code: string): Error {
  return Object.assign(new Error("the call failed"), { code });
}

test("a failed system call is told in words, with its errno", () => {
  expect(describeError(failed("ENOENT"))).toBe("no such file or directory (ENOENT)");
  expect(describeError(failed("ENOTTY"))).toBe("ENOTTY");
  expect(codeOf(failed("ENOTTY"))).toBe("ENOTTY");
});

test("any other error is told by its message, and has no errno", () => {
  for (const error of [new Error("expected a JSON object"), "expected a JSON object"]) {
    expect(describeError(error)).toBe("expected a JSON object");
    expect(codeOf(error)).toBeUndefined();
  }
});
