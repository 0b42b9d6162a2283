// A command outlives the signals of an agent, and has a name of its own. What it was started to
// ignore stays ignored: what it executes inherits that.
import { expect, test } from "bun:test";
import { output, ROOT } from "../../scripts/lib/shell.ts";
import { listIgnored, outliveSignals } from "../../src/commands/signals.ts";

const PROGRAM = `import { readFileSync } from "node:fs";
  const module = await import("${ROOT}src/commands/signals.ts");
  module.${outliveSignals.name}("hapgent-status");
  for (const name of ["USR1", "USR2", "HUP"]) process.kill(process.pid, "SIG" + name);
  // Where its terminal is there, or never was.
  process.emit("SIGHUP");
  console.log(readFileSync("/proc/self/comm", "utf8") + module.${listIgnored.name}().join(" "));`;

test.each(["", "HUP", "INT QUIT", "USR1 USR2 TERM"])(
  "of one that is started so that it ignores %j",
  async (names) => {
    const start = `${names && `trap '' ${names};`} exec "$@"`;
    expect(await output(["sh", "-c", start, "sh", process.execPath, "-e", PROGRAM])).toBe(
      `hapgent-status\n${names}`.trim(),
    );
  },
);
