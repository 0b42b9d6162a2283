// Writes what comes from one source: from the tables of src (settings, spec, controls) the man page,
// the completions and the tables of the README between their markers; the launchers as
// scripts/lib/launchers.ts says; the chart of the newest result. A unit test compares all of them with what is committed.
import { readFileSync } from "node:fs";
import { listControls } from "../src/controls.ts";
import { listVariables } from "../src/settings.ts";
import * as spec from "../src/spec.ts";
import { formatMemory } from "./benchmark/chart.ts";
import type { Result } from "./benchmark/result.ts";
import { COMPLETIONS } from "./lib/completions.ts";
import { fillBlocks, formatLaunchers } from "./lib/launchers.ts";
import { formatManPage } from "./lib/man-page.ts";
import { formatSettings, formatSettingsTemplate } from "./lib/settings.ts";
import { ROOT } from "./lib/shell.ts";

type Rows = readonly (readonly string[])[];

/** The tables of the README, by the name in their markers: the head, and the rows. */
const TABLES: Readonly<Record<string, Rows>> = {
  variables: [
    ["variable", "default", "meaning"],
    ...listVariables().map(({ term, fallback, meaning }) => [code(term), code(fallback), meaning]),
  ],
  signals: listRows("signal", "what it does", spec.SIGNALS),
  "control commands": listRows("command", "what it does", listControls()),
  "state fields": listRows("field", "value", spec.STATE_FIELDS),
};

const RESULTS = "scripts/benchmark/results/";

/** The generated files: text by path. */
export const GENERATED: Readonly<Record<string, string>> = {
  "deploy/man/hapgent.8": formatManPage(readFileSync(`${ROOT}CHANGELOG.md`, "utf8")),
  ...Object.fromEntries(
    Object.entries(COMPLETIONS).map(([path, blocks]) => [
      path,
      fillBlocks(path, readFileSync(ROOT + path, "utf8"), blocks),
    ]),
  ),
  "README.md": fillTables(await Bun.file(`${ROOT}README.md`).text()),
  ...formatLaunchers((path) => readFileSync(ROOT + path, "utf8")),
  "deploy/hapgent.default": formatSettings(),
  "deploy/ansible/hapgent/templates/default.j2": formatSettingsTemplate(),
  [`${RESULTS}memory.svg`]: formatMemory(await readNewestResult()),
};

if (import.meta.main) {
  for (const [path, text] of Object.entries(GENERATED)) await Bun.write(ROOT + path, text);
}

/** What the benchmark measured of the newest release that it was run for. */
async function readNewestResult(): Promise<Result> {
  const files = [...new Bun.Glob("*.json").scanSync(ROOT + RESULTS)];
  const versions = files.map((name) => name.replace(".json", ""));
  const newest = versions.toSorted(Bun.semver.order).at(-1);
  return await Bun.file(`${ROOT}${RESULTS}${newest}.json`).json();
}

function listRows(term: string, meaning: string, entries: readonly spec.Entry[]): Rows {
  return [[term, meaning], ...entries.map((entry) => [code(entry.term), entry.meaning])];
}

/** Puts each table between its markers, `<!-- table: NAME -->` and `<!-- end -->`. */
function fillTables(text: string): string {
  return text.replace(
    /(<!-- table: ([\w ]+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, start: string, name: string, end: string) => {
      const rows = TABLES[name];
      if (!rows) throw new Error(`expected a table of ${Object.keys(TABLES)}, got ${name}`);
      return `${start}${formatTable(rows)}${end}`;
    },
  );
}

/** A table in Markdown, in columns as the formatter writes them. */
function formatTable(rows: Rows): string {
  const cells = rows.map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  const widths = (cells[0] ?? []).map((_, i) =>
    Math.max(...cells.map((row) => row[i]?.length ?? 0)),
  );
  const [head = "", ...lines] = cells.map((row) => {
    return `| ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |\n`;
  });
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |\n`;
  return [head, rule, ...lines].join("");
}

/** Terms, between commas, as code. */
function code(text: string): string {
  return text === "none" ? text : `\`${text.replaceAll(", ", "`, `")}\``;
}
