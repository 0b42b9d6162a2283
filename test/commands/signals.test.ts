// A command outlives the signals of an agent. Those that whoever started it has it ignore stay so: what
// it executes inherits them.
import { expect, test } from "bun:test";
import { output, ROOT } from "../../scripts/lib/shell.ts";
import { listIgnored, outliveSignals } from "../../src/commands/signals.ts";

const PROGRAM = `const module = await import("${ROOT}src/commands/signals.ts");
  module.${outliveSignals.name}("hapgent-status");
  for (const name of ["USR1", "USR2", "HUP"]) process.kill(process.pid, "SIG" + name);
  // Where its terminal is there, or never was.
  process.emit("SIGHUP");
  console.log(...module.${listIgnored.name}());`;

test.each(["", "HUP", "INT QUIT", "USR1 USR2 TERM"])(
  "of one that is started so that it ignores %j",
  async (names) => {
    const start = `${names && `trap '' ${names};`} exec "$@"`;
    expect(await output(["sh", "-c", start, "sh", process.execPath, "-e", PROGRAM])).toBe(names);
  },
);
