// Writes what comes from one source: from the tables of src (settings, spec, controls) the man page,
// the completions and the tables of the README between their markers; the launchers as
// scripts/lib/launchers.ts says. A unit test compares all of them with what is committed.
import { readFileSync } from "node:fs";
import { listControls } from "../src/controls.ts";
import { listVariables } from "../src/settings.ts";
import * as spec from "../src/spec.ts";
import { formatBash, formatFish, formatZsh } from "./lib/completions.ts";
import { formatLaunchers } from "./lib/launchers.ts";
import { formatManPage } from "./lib/man-page.ts";
import { formatNotices } from "./lib/notices.ts";
import { formatSettings, formatSettingsTemplate } from "./lib/settings.ts";
import { ROOT } from "./lib/shell.ts";

const { EXIT_CODES, SIGNALS, STATE_FIELDS } = spec;

/** The tables of the README, by the name in their markers. */
const TABLES: Readonly<Record<string, () => string>> = {
  variables: () =>
    table(
      ["variable", "default", "meaning"],
      listVariables().map(({ term, fallback, meaning }) => [
        `\`${term}\``,
        code(fallback),
        meaning,
      ]),
    ),
  commands: () =>
    table(
      ["command", "what it does"],
      spec.listUsages().map(({ term, meaning }) => [`\`${term}\``, meaning]),
    ),
  signals: () =>
    table(
      ["signal", "what it does"],
      SIGNALS.map(({ term, meaning }) => [term.replace(/\w+/g, "`$&`"), meaning]),
    ),
  "control commands": () =>
    table(
      ["command", "what it does"],
      listControls().map(({ term, meaning }) => [`\`${term}\``, meaning]),
    ),
  "state fields": () =>
    table(
      ["field", "value"],
      STATE_FIELDS.map(({ term, meaning }) => [`\`${term}\``, meaning]),
    ),
  "exit codes": () =>
    table(
      ["exit code", "meaning"],
      EXIT_CODES.map(({ term, meaning }) => [term, meaning]),
    ),
};

/** What describes the command line: text by path. */
export const MANUALS: Readonly<Record<string, string>> = {
  "deploy/man/hapgent.8": formatManPage(readFileSync(`${ROOT}CHANGELOG.md`, "utf8")),
  "deploy/completion/hapgent.bash": formatBash(),
  "deploy/completion/_hapgent": formatZsh(),
  "deploy/completion/hapgent.fish": formatFish(),
  "README.md": fillTables(await Bun.file(`${ROOT}README.md`).text()),
};

/** The generated files: text by path. */
export const GENERATED: Readonly<Record<string, string>> = {
  ...MANUALS,
  ...formatLaunchers((path) => readFileSync(ROOT + path, "utf8")),
  THIRD_PARTY_NOTICES: formatNotices(readFileSync(`${ROOT}THIRD_PARTY_NOTICES`, "utf8")),
  "deploy/hapgent.default": formatSettings(),
  "deploy/ansible/hapgent/templates/default.j2": formatSettingsTemplate(),
};

if (import.meta.main) {
  for (const [path, text] of Object.entries(GENERATED)) await Bun.write(ROOT + path, text);
}

/** Puts each table between its markers, `<!-- table: NAME -->` and `<!-- end -->`. */
function fillTables(text: string): string {
  return text.replace(
    /(<!-- table: ([\w ]+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, start: string, name: string, end: string) => {
      const make = TABLES[name];
      if (!make) throw new Error(`expected a table of ${Object.keys(TABLES)}, got ${name}`);
      return `${start}${make()}${end}`;
    },
  );
}

/** A table in Markdown, in columns as the formatter writes them. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  const widths = head.map((_, i) => Math.max(...cells.map((row) => row[i]?.length ?? 0)));
  const lines = cells.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)));
  lines.splice(
    1,
    0,
    widths.map((width) => "-".repeat(width)),
  );
  return lines.map((line) => `| ${line.join(" | ")} |\n`).join("");
}

function code(fallback: string): string {
  return fallback === "none" ? fallback : `\`${fallback}\``;
}
