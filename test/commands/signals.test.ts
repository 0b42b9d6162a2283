// Which signals whoever started a program has it ignore: a command that it runs must not get them set.
import { expect, test } from "bun:test";
import { output, ROOT } from "../../scripts/lib/shell.ts";
import { listIgnored } from "../../src/commands/signals.ts";

const PROGRAM = `const module = await import("${ROOT}src/commands/signals.ts");
  console.log(...module.${listIgnored.name}());`;

test.each(["", "HUP", "INT QUIT", "USR1 USR2 TERM"])("those are known: %j", async (names) => {
  const start = `${names && `trap '' ${names};`} exec "$@"`;
  expect(await output(["sh", "-c", start, "sh", process.execPath, "-e", PROGRAM])).toBe(names);
});
