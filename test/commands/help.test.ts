// The help names all there is, fits a terminal, and is about one command where that is asked for.
import { describe, expect, test } from "bun:test";
import { formatCommandHelp, formatHelp, formatSynopsis } from "../../src/commands/help.ts";
import { listControls } from "../../src/controls.ts";
import { listVariables } from "../../src/settings.ts";
import { COMMANDS, listUsages } from "../../src/spec.ts";

describe("the help", () => {
  test("names every command, option and variable", () => {
    const help = formatHelp();
    for (const { term } of [...listUsages(), ...listVariables(), ...listControls()]) {
      expect(help).toContain(`  ${term}\n`);
    }
  });

  test("fits a terminal of 80 columns", () => {
    const helps = [formatHelp(), ...COMMANDS.map(formatCommandHelp)];
    for (const line of [...helps, formatSynopsis()].join("\n").split("\n")) {
      expect(line.length).toBeLessThanOrEqual(80);
    }
  });
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
