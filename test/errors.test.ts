// An error is told in words that a person understands, with its errno where it has one.
import { expect, test } from "bun:test";
import { codeOf, describeError } from "../src/errors.ts";

function failed(code: string): Error {
  return Object.assign(new Error("the call failed"), { code });
}

test("a failed system call is told in words, with its errno", () => {
  expect(describeError(failed("ENOENT"))).toBe("no such file or directory (ENOENT)");
  expect(describeError(failed("EDQUOT"))).toBe("disk quota exceeded (EDQUOT)");
  expect(describeError(failed("ENONSENSE"))).toBe("ENONSENSE");
  expect(codeOf(failed("ENOTTY"))).toBe("ENOTTY");
});

test("any other error is told by its message, and has no errno", () => {
  for (const error of [new Error("expected a JSON object"), "expected a JSON object"]) {
    expect(describeError(error)).toBe("expected a JSON object");
    expect(codeOf(error)).toBeUndefined();
  }
});

test("a failed bind is told in words, though its number has the other sign", () => {
  const listen = () => Bun.listen({ hostname: "203.0.113.1", port: 0, socket: { data() {} } });
  let error: unknown;
  try {
    listen();
  } catch (caught) {
    error = caught;
  }
  expect(describeError(error)).toBe("address not available (EADDRNOTAVAIL)");
});
