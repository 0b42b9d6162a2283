import { describe, expect, test } from "bun:test";
import { formatHelp, formatSynopsis } from "../../src/commands/help.ts";
import { COMMANDS, CONTROL_COMMANDS, listUsages, VARIABLES } from "../../src/spec.ts";

describe("the help", () => {
  test("names every command, variable, signal and exit code", () => {
    const help = formatHelp();
    const names = VARIABLES.map(({ name }) => name);
    const usages = CONTROL_COMMANDS.map(({ usage }) => usage);
    for (const term of [...listUsages(), ...names, ...usages]) expect(help).toContain(`  ${term}`);
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

  test("fits a terminal of 80 columns", () => {
    const helps = [undefined, ...COMMANDS].map((command) => formatHelp(command));
    for (const line of [...helps, formatSynopsis()].join("\n").split("\n")) {
      expect(line.length).toBeLessThanOrEqual(80);
    }
  });
});
