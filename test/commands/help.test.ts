// The help fits a terminal, and tells apart what an option is to each command.
import { expect, test } from "bun:test";
import { formatCommandHelp, formatHelp, formatSynopsis } from "../../src/commands/help.ts";
import { COMMANDS } from "../../src/spec.ts";

test("the help fits a terminal of 80 columns", () => {
  const helps = [formatHelp(), ...COMMANDS.map(formatCommandHelp)];
  for (const line of [...helps, formatSynopsis()].join("\n").split("\n")) {
    expect(line.length).toBeLessThanOrEqual(80);
  }
});

test("an option that two commands take says what it is to each", () => {
  const lines = formatHelp().split("\n");
  const waits = lines.filter((line) => line.startsWith("  --wait S "));
  expect(waits).toEqual([
    expect.stringContaining("status: try again"),
    expect.stringContaining("deploy: seconds that every load balancer has to ask"),
  ]);
  expect(lines.filter((line) => line.startsWith("  --json "))).toHaveLength(1);
});
