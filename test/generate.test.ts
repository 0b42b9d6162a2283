// What is generated is current.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { version } from "../package.json";
import { GENERATED, MANUALS } from "../scripts/generate.ts";
import { formatLaunchers } from "../scripts/lib/launchers.ts";
import { formatManPage } from "../scripts/lib/man-page.ts";
import { CHOSEN, EXAMPLES, formatSettings, INSTALLED } from "../scripts/lib/settings.ts";
import { ROOT } from "../scripts/lib/shell.ts";
import { findInstallation } from "../src/commands/installation.ts";
import { listVariables, readConfig } from "../src/settings.ts";
import { COMMANDS } from "../src/spec.ts";

test.each(Object.entries(GENERATED))(
  "%s is what scripts/generate.ts writes",
  async (path, text) => {
    expect(await Bun.file(ROOT + path).text()).toBe(text);
  },
);

test("the man page names every variable, the files and examples", () => {
  for (const { term } of listVariables())
    expect(MANUALS["deploy/man/hapgent.8"]).toContain(`.B ${term}\n`);
  const { stateFile, settingsFile, controlSocket } = findInstallation();
  for (const path of [stateFile, settingsFile, controlSocket])
    expect(MANUALS["deploy/man/hapgent.8"]).toContain(`.B ${path}\n`);
  expect(MANUALS["deploy/man/hapgent.8"]).toContain(".SH EXAMPLES\n");
});

test("the man page has the date of this version's section in the changelog", () => {
  const changelog = (date: string) =>
    `# Changelog\n\n## [9.9.9] - 2001-01-01\n\n## [${version}]${date}\n`;
  expect(formatManPage(changelog(" - 2026-11-22"))).toStartWith('.TH HAPGENT 8 "2026-11-22" ');
  expect(formatManPage(changelog(""))).toStartWith('.TH HAPGENT 8 "" ');
});

test.each(COMMANDS.map(({ name }) => [name]))("the options of %s are completed by all", (name) => {
  const { options = [] } = COMMANDS.find((command) => command.name === name) ?? {};
  for (const option of options) {
    expect(MANUALS["deploy/completion/hapgent.bash"]).toContain(`--${option.name}`);
    expect(MANUALS["deploy/completion/_hapgent"]).toContain(`'--${option.name}[`);
    expect(MANUALS["deploy/completion/hapgent.fish"]).toContain(` -l ${option.name} `);
  }
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
  ["hapgent ", ["check", "status", "ctl", "deploy", "help", "--help", "--version"]],
  ["hapgent st", ["status"]],
  ["hapgent status --", ["--send", "--expect", "--timeout", "--wait", "--instance", "--json"]],
  ["hapgent help c", ["check", "ctl"]],
  ["hapgent status ", [""]],
  ["hapgent status --expect U", ["UP"]],
  ["hapgent ctl -", ["--instance", "--json"]],
  ["hapgent ctl @web --json show s", ["state", "services"]],
  ["hapgent ctl wait ", [""]],
  ["hapgent ctl check ", [""]],
  ["hapgent ctl ", ["show", "set", "change", "follow", "hold", "reload", "wait", "forget", "help"]],
  ["hapgent ctl show ", ["state", "services", "pollers"]],
  ["hapgent ctl set ", ["status", "weight", "maxconn", "state"]],
  ["hapgent ctl set status D", ["DOWN", "DRAIN"]],
])("bash completes %j", (line, offers) => {
  expect(complete(line)).toEqual(offers);
});

test.each([
  ["# block: hostile", "# hostile", 'expected one block between "# block: hostile" and "# end"'],
  ["\nUser=hapgent", "\nSyslogIdentifier=hapgent\nUser=hapgent", "once, got it 2 times"],
])("a unit with %j changed to %j is refused", (from, to, message) => {
  const read = (path: string) => readFileSync(ROOT + path, "utf8").replace(from, to);
  expect(() => formatLaunchers(read)).toThrow(message);
});

const SETTINGS = [...formatSettings().matchAll(/^#?(HAPGENT_\w+)=(.*)$/gm)].map(
  ([, name = "", value = ""]): [string, string] => [name, value],
);

test("the settings file names every variable that an installed agent has a use for", () => {
  const named = SETTINGS.map(([name]) => name);
  const variables = listVariables().map(({ term }) => term);
  expect(named).toEqual(variables.filter((name) => name !== "HAPGENT_TUNE"));
});

test.each(SETTINGS.filter(([name]) => !(name in EXAMPLES || name in CHOSEN)))(
  "%s=%s, uncommented alone, is its default",
  (name, value) => {
    expect(readConfig({ ...INSTALLED, [name]: value })).toEqual(readConfig(INSTALLED));
  },
);

test.each(Object.entries({ ...EXAMPLES, ...CHOSEN }))(
  "%s=%s is no default, and valid alone",
  (name, value) => {
    expect(readConfig({ ...INSTALLED, [name]: value })).not.toEqual(readConfig(INSTALLED));
  },
);

test("the settings file sets what was chosen for an installation, and nothing else", () => {
  const set = [...formatSettings().matchAll(/^(HAPGENT_\w+)=(.*)$/gm)];
  expect(Object.fromEntries(set.map(([, name, value]) => [name, value]))).toEqual({ ...CHOSEN });
});
