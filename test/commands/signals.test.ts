// Which signals whoever started a program has it ignore: a command that it runs must not get them set.
import { expect, test } from "bun:test";
import { output, ROOT } from "../../scripts/lib/shell.ts";
import { listIgnored } from "../../src/commands/signals.ts";

const PROGRAM = `const { listIgnored } = await import("${ROOT}src/commands/signals.ts");
  console.log(JSON.stringify(listIgnored()));`;

test.each([[["HUP"]], [["INT", "QUIT"]], [["USR1", "USR2", "TERM"]]])(
  "those are known: %j",
  async (names) => {
    const start = `trap '' ${names.join(" ")}; exec "$@"`;
    const found = await output(["sh", "-c", start, "sh", process.execPath, "-e", PROGRAM]);
    // The tests may run under nohup.
    expect(new Set(JSON.parse(found))).toEqual(new Set([...listIgnored(), ...names]));
  },
);
