// A state file's text is a state, or every problem is told: where, what was expected, what came.
import { describe, expect, test } from "bun:test";
import { formatState, parseState, type State, type StateError } from "../../src/state/state.ts";

/** The message of the error that a text gives. */
function errorOf(text: string): Promise<string> {
  return parseState(text).then(
    () => "none",
    (error: StateError) => error.message,
  );
}

describe("parseState", () => {
  test.each<[string, State]>([
    [
      '{"maxconn":65535,"reason":"why","weight":255,"status":"DOWN"}',
      { status: "DOWN", weight: 255, maxconn: 65535, reason: "why" },
    ],
    ['{"status":"UP","weight":null,"maxconn":null,"reason":null}', { status: "UP" }],
    ['{"status":"UP","weight":5e1}', { status: "UP", weight: 50 }],
  ])("of %s is %j", async (text, state) => {
    expect(await parseState(text)).toStrictEqual(state);
  });

  const statuses = "one of UP, DOWN, READY, DRAIN, FAIL, MAINT, STOPPED";
  test.each([
    ['{"status":"up"}', `status: expected ${statuses}, got "up" (did you mean UP?)`],
    ['{"status":" Drian"}', `status: expected ${statuses}, got " Drian" (did you mean DRAIN?)`],
    ["{}", `status: expected ${statuses}, got nothing`],
    ['{"status":["UP"]}', `status: expected ${statuses}, got an array`],
    ['{"status":"UP","weight":256}', "weight: expected an integer from 0 to 255, got 256"],
    ['{"status":"UP","weight":{}}', "weight: expected an integer from 0 to 255, got an object"],
    ['{"status":"UP","maxconn":65536}', "maxconn: expected an integer from 0 to 65535, got 65536"],
    [
      '{"status":"UP","reason":"a\\nb"}',
      'reason: expected at most 100 printable ASCII characters, got "a\\nb"',
    ],
    [
      '{"status":"UP","wieght":1}',
      '"wieght": expected no field but status, weight, maxconn, reason (did you mean weight?)',
    ],
    [
      '{"status":"up","weight":256.5}',
      `status: expected ${statuses}, got "up" (did you mean UP?); weight: expected an integer from 0 to 255, got 256.5`,
    ],
    ["[]", "expected a JSON object, got an array"],
  ])("refuses %s", async (text, message) => {
    expect(await errorOf(text)).toBe(message);
  });

  test("shows the start of a long value only, and does not mind deep nesting", async () => {
    const message = await errorOf(JSON.stringify({ status: "x".repeat(1000) }));
    expect(message).toBe(`status: expected ${statuses}, got "${"x".repeat(60)}..."`);
    expect(await errorOf("[".repeat(65_000))).toContain("expected ");
    expect(await errorOf(`{"status":${"[".repeat(32_000)}${"]".repeat(32_000)}}`)).toContain(
      "expected ",
    );
  });
});

test("formatState is JSON indented by two spaces", () => {
  const text = '{\n  "status": "UP",\n  "weight": 5\n}\n';
  expect(formatState({ status: "UP", weight: 5 })).toBe(text);
});
