import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { dirname } from "node:path";
import { version } from "../../package.json";
import { readCommit } from "../lib/git.ts";
import { ROOT, run } from "../lib/shell.ts";
import {
  FIGURE_NAMES,
  FIGURES,
  type Measurements,
  type Spread,
  type SubjectResult,
} from "./figures.ts";
import type { Subject, SubjectName } from "./subjects.ts";

/**
 * Results of releases and the newest one's chart; those of other runs lie in `latest`, outside of
 * the repository.
 */
const RESULTS = `${ROOT}scripts/benchmark/results/`;

/** One run: what the JSON files hold. */
export interface Result {
  readonly version: string;
  readonly commit: string;
  readonly date: string;
  readonly machine: string;
  readonly subjects: Partial<Record<SubjectName, SubjectResult>>;
}

/** Puts together what was measured, and where. */
export function makeResult(measurements: Measurements, subjects: readonly Subject[]): Result {
  const processors = cpus();
  return {
    version,
    commit: readCommit().slice(0, 12),
    date: new Date().toISOString(),
    machine: `Bun ${Bun.version}, ${processors.length} of ${processors[0]?.model}, Linux ${release()}`,
    subjects: Object.fromEntries(
      subjects.map(({ name }) => [name, measurements.result(name)] as const),
    ),
  };
}

/** Writes a result, and returns the path of its file. */
export function writeResult(result: Result, isRelease: boolean): string {
  const file = `${RESULTS}${isRelease ? version : "latest/result"}.json`;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(result));
  if (isRelease) run(["bun", "x", "biome", "format", "--write", file]);
  return file;
}

/** Prints the table of figures, with a column for each program. */
export function printFigures({ subjects }: Result): void {
  const rows = FIGURE_NAMES.map((name) => {
    const [title, decimals] = FIGURES[name];
    const cells = Object.entries(subjects).flatMap(([subject, { figures }]) =>
      figures[name] ? [[subject, formatSpread(figures[name], decimals)]] : [],
    );
    return [title, Object.fromEntries(cells)] as const;
  });
  const measured = rows.filter(([, row]) => Object.keys(row).length > 0);
  console.table(Object.fromEntries(measured), Object.keys(subjects));
}

/** The median, with the least and the greatest where they are others. */
function formatSpread({ median, min, max }: Spread, decimals: number): string {
  const [least, middle, most] = [min, median, max].map((value) => value.toFixed(decimals));
  return least === most ? `${middle}` : `${middle} (${least}..${most})`;
}
