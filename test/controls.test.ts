// The control commands are one table: each is found by its name or its first word, help explains
// it, and a line that is none is answered with what comes near to it, or with all.
import { expect, test } from "bun:test";
import { explainControls, findControls, listControls, refuseControl } from "../src/controls.ts";

const ALL = listControls()
  .map(({ term }) => term)
  .join(" | ");

test.each([
  ["forget", "error: expected forget ADDRESS | forget silent SECONDS, got"],
  ["forget silent", "error: expected forget silent SECONDS, got"],
  ["@web wait 5 6 7", "error: expected wait SECONDS [COUNT], got"],
  ["show", "error: expected show state | show services | show pollers, got"],
  [
    "set colour 5",
    "error: expected set status STATUS [REASON] | set weight N | set maxconn N | set state JSON, got",
  ],
  [
    "show sate",
    'error: no such command: "show sate"; did you mean show state? Expected show state | ',
  ],
  ["hlep", `error: no such command: "hlep"; did you mean help? Expected ${ALL}`],
  ["shwo pollers", `error: no such command: "shwo pollers"; did you mean show pollers? Expected`],
  ["frobnicate", `error: expected ${ALL}, got "frobnicate"`],
  ["", `error: expected ${ALL}, got ""`],
])("%j is answered %j", (line, answer) => {
  expect(refuseControl(line)).toStartWith(answer);
});

test("of a long line only the start is shown", () => {
  expect(refuseControl("x".repeat(1000))).toBe(`error: expected ${ALL}, got "${"x".repeat(60)}"`);
});

test.each([
  ["wait", ["wait"]],
  ["set", ["set status", "set weight", "set maxconn", "set state"]],
  ["show pollers", ["show pollers"]],
  ["forget", ["forget", "forget silent"]],
  ["sh", []],
  ["", []],
])("the name %j finds %j", (name, found) => {
  expect(findControls(name).map((command) => command.name)).toEqual(found);
});

test.each([
  ["", `ok ${ALL}`],
  ["wait", "ok wait SECONDS [COUNT]: answer once every poller has the reply"],
  [
    "forget",
    "ok forget ADDRESS: no longer wait for this load balancer; " +
      "forget silent SECONDS: no longer wait for silent ones",
  ],
  ["wiat", undefined],
])("help %j answers %j", (name, answer) => {
  expect(explainControls(name)).toBe(answer);
});
