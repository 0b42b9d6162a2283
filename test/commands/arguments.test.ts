// A command line by its description: options anywhere, but before the first word of a command that
// is passed on as it is.
import { describe, expect, test } from "bun:test";
import { parseArguments } from "../../src/commands/arguments.ts";
import type { Command } from "../../src/spec.ts";

const OPTIONS: Command["options"] = [
  { name: "json", meaning: "" },
  { name: "wait", value: "S", meaning: "" },
];
const PLAIN: Command = { name: "plain", options: OPTIONS, meaning: "" };
const VERBATIM: Command = { name: "ctl", options: OPTIONS, isVerbatim: true, meaning: "" };
const RUNS: Command = { ...VERBATIM, name: "deploy", runsCommand: true };

describe("parseArguments", () => {
  test.each<[Command, string[], Record<string, string>, string[], string[]]>([
    [PLAIN, ["a", "--json", "b", "--wait", "5"], { wait: "5" }, ["json"], ["a", "b"]],
    [PLAIN, ["--wait=5", "--", "--json"], { wait: "5" }, [], ["--json"]],
    [PLAIN, ["-h"], {}, ["help"], []],
    [VERBATIM, ["--json", "set", "-5"], {}, ["json"], ["set", "-5"]],
    [VERBATIM, ["--wait", "5", "--json", "set", "-"], { wait: "5" }, ["json"], ["set", "-"]],
    [VERBATIM, ["set", "why --json"], {}, [], ["set", "why --json"]],
    [VERBATIM, ["--json", "--", "--wait", "-h"], {}, ["json"], ["--wait", "-h"]],
    [VERBATIM, ["@web", "--json", "show"], {}, ["json"], ["@web", "show"]],
    [VERBATIM, ["@web", "@db", "--"], {}, [], ["@web", "@db", "--"]],
    [
      RUNS,
      ["@web", "--wait=5", "v42", "rm", "-rf"],
      { wait: "5" },
      [],
      ["@web", "v42", "rm", "-rf"],
    ],
  ])("of %j reads %j", (command, args, values, flags, operands) => {
    const parsed = parseArguments(command, args);
    expect({ ...parsed, flags: [...parsed.flags] }).toEqual({ values, flags, operands });
  });

  test.each<[Command, string[], string]>([
    [PLAIN, ["--jsom"], "plain: Unknown option '--jsom' (did you mean --json?)"],
    [VERBATIM, ["set", "--json"], 'ctl: options go before the command, got "--json" in it'],
  ])("of %j with %j is refused: %s", (command, args, message) => {
    expect(() => parseArguments(command, args)).toThrow(message);
  });
});
