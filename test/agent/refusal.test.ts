// A line that is no command is answered with what comes near to it; the whole list comes last.
import { expect, test } from "bun:test";
import { listCommands, refuse } from "../../src/agent/refusal.ts";

const ALL = listCommands();

test.each([
  ["forget", "error: expected forget ADDRESS, got"],
  ["@web wait 5 6 7", "error: expected wait SECONDS [COUNT], got"],
  ["show", "error: expected show state | show services | show pollers, got"],
  [
    "set colour 5",
    "error: expected set status STATUS [REASON] | set weight N | set maxconn N, got",
  ],
  ["hlep", `error: no such command: "hlep"; did you mean help? Expected ${ALL}`],
  ["shwo pollers", `error: no such command: "shwo pollers"; did you mean show pollers? Expected`],
  ["frobnicate", `error: expected ${ALL}, got "frobnicate"`],
  ["", `error: expected ${ALL}, got ""`],
])("%j is answered %j", (line, answer) => {
  expect(refuse(line)).toStartWith(answer);
});

test("of a long line only the start is shown", () => {
  expect(refuse("x".repeat(1000))).toBe(`error: expected ${ALL}, got "${"x".repeat(60)}"`);
});
