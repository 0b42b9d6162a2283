import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { GENERATED, MANUALS } from "../scripts/generate.ts";
import { formatLaunchers } from "../scripts/lib/launchers.ts";
import { ROOT } from "../scripts/lib/shell.ts";
import { VARIABLES } from "../src/spec.ts";

test.each(Object.entries(GENERATED))(
  "%s is what scripts/generate.ts writes",
  async (path, text) => {
    expect(await Bun.file(ROOT + path).text()).toBe(text);
  },
);

test("the man page names every variable", () => {
  for (const { name } of VARIABLES)
    expect(MANUALS["deploy/man/hapgent.8"]).toContain(`.B ${name}\n`);
});

/** What bash offers for a command line. */
function complete(line: string): string[] {
  const words = line.split(" ");
  const script = `. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _hapgent
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const file = `${ROOT}deploy/completion/hapgent.bash`;
  const { stdout } = Bun.spawnSync(["bash", "-c", script, "bash", file, ...words]);
  return stdout.toString().trim().split("\n");
}

test.each([
  ["hapgent ", ["check", "status", "ctl", "help", "--help", "--version"]],
  ["hapgent st", ["status"]],
  ["hapgent status --", ["--send", "--expect", "--timeout", "--wait", "--instance", "--json"]],
  ["hapgent ctl ", ["show", "set", "reload", "wait", "forget", "help"]],
  ["hapgent ctl show ", ["state", "services", "pollers"]],
  ["hapgent ctl set ", ["status", "weight", "maxconn"]],
  ["hapgent ctl set status D", ["DOWN", "DRAIN"]],
])("bash completes %j", (line, offers) => {
  expect(complete(line)).toEqual(offers);
});

test.each([
  ["# block: hostile", "# hostile", 'expected one block between "# block: hostile" and "# end"'],
  ["\nUser=hapgent", "\nStateDirectory=hapgent\nUser=hapgent", "once, got it 2 times"],
])("a unit with %j changed to %j is refused", (from, to, message) => {
  const read = (path: string) => readFileSync(ROOT + path, "utf8").replace(from, to);
  expect(() => formatLaunchers(read)).toThrow(message);
});
