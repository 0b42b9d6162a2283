import { describe, expect, test } from "bun:test";
import { COMMANDS, formatHelp, formatSynopsis, RUNTIME_COMMANDS, VARIABLES } from "../src/usage.ts";

describe("the help", () => {
  test("names every command, variable, signal and exit code", () => {
    const help = formatHelp();
    for (const [term] of [...COMMANDS, ...VARIABLES, ...RUNTIME_COMMANDS]) {
      expect(help).toContain(`  ${term}`);
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

  test("fits a terminal of 80 columns", () => {
    for (const line of `${formatHelp()}\n${formatSynopsis()}`.split("\n")) {
      expect(line.length).toBeLessThanOrEqual(80);
    }
  });
});
