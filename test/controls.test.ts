// A line that is no control command is answered with what comes near to it, or with all commands; help
// explains those of a name or of a first word.
import { expect, test } from "bun:test";
import { explainControls, listControls, refuseControl } from "../src/controls.ts";

const ALL = listControls()
  .map(({ term }) => term)
  .join(" | ");

test.each([
  ["@web wait 5 6 7", "error: expected wait SECONDS [COUNT], got"],
  ["show", "error: expected show state | show services | show pollers, got"],
  ["show sate", 'error: no such command: "show sate"; did you mean show state? Expected show st'],
  ["hlep", `error: no such command: "hlep"; did you mean help? Expected ${ALL}`],
  // Only its start is shown.
  ["x".repeat(1000), `error: expected ${ALL}, got "${"x".repeat(60)}"`],
])("%j is answered %j", (line, answer) => {
  expect(refuseControl(line)).toStartWith(answer);
});

test.each([
  ["", `ok ${ALL}`],
  [
    "forget",
    "ok forget ADDRESS: no longer wait for this load balancer; " +
      "forget silent SECONDS: no longer wait for silent ones",
  ],
  ["sh", undefined],
])("help %j answers %j", (name, answer) => {
  expect(explainControls(name)).toBe(answer);
});
