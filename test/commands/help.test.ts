// The help names all there is, fits a terminal, and is about one command where that is asked for.
import { describe, expect, test } from "bun:test";
import { formatCommandHelp, formatHelp, formatSynopsis } from "../../src/commands/help.ts";
import { listControls } from "../../src/controls.ts";
import { listVariables } from "../../src/settings.ts";
import { COMMANDS, listUsages } from "../../src/spec.ts";

describe("the help", () => {
  test("names every command, variable, signal and exit code", () => {
    const help = formatHelp();
    for (const { term } of [...listUsages(), ...listVariables(), ...listControls()]) {
      expect(help).toContain(`  ${term}\n`);
    }
    for (const word of [
      "SIGHUP",
      "SIGUSR1",
      "SIGUSR2",
      "SIGTERM",
      "\n  0  ",
      "\n  1  ",
      "\n  2  ",
    ]) {
      expect(help).toContain(word);
    }
  });

  test("about one command has its options, and with ctl what it sends", () => {
    const has = (name: string, term: string) => {
      const command = COMMANDS.find((each) => each.name === name);
      return command && formatCommandHelp(command).includes(term);
    };
    expect(has("check", "\n\nOptions\n  --config ")).toBe(true);
    expect(has("ctl", "\n\nOptions\n  --instance ")).toBe(true);
    expect(has("help", "Options")).toBe(false);
    expect(has("ctl", "\n\nCommands\n  show state\n")).toBe(true);
    expect(has("status", "show state")).toBe(false);
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
