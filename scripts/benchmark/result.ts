import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { version } from "../../package.json";
import { readCommit } from "../lib/git.ts";
import { ROOT, run } from "../lib/shell.ts";
import {
  FIGURE_NAMES,
  FIGURES,
  type FigureName,
  type Measurements,
  type MemoryPoint,
  type Spread,
} from "./figures.ts";
import { judge, type Verdict } from "./limits.ts";
import type { Subject, SubjectName } from "./subjects.ts";

/**
 * Results of releases and the newest one's chart; those of other runs lie in `latest`, outside of
 * the repository.
 */
const RESULTS = `${ROOT}scripts/benchmark/results/`;

/** What was measured of one program. */
interface SubjectResult {
  readonly title: string;
  readonly figures: Partial<Record<FigureName, Spread>>;
  readonly memory: MemoryPoint[];
}

/** One run: what the JSON files hold. */
export interface Result {
  /** Goes up when a figure or a key changes its name or its meaning. */
  readonly schemaVersion: 2;
  readonly version: string;
  readonly commit: string;
  readonly date: string;
  readonly seconds: number;
  readonly rounds: number;
  readonly machine: {
    readonly cpu: string;
    readonly cpus: number;
    readonly memoryMB: number;
    readonly kernel: string;
    readonly bun: string;
  };
  readonly notes: readonly string[];
  readonly limits: readonly Verdict[];
  readonly subjects: Partial<Record<SubjectName, SubjectResult>>;
}

/** Puts together what was measured, where, and how it compares with the limits. */
export function makeResult(
  measurements: Measurements,
  subjects: readonly Subject[],
  rounds: number,
  notes: readonly string[],
): Result {
  const [processor] = cpus();
  return {
    schemaVersion: 2,
    version,
    commit: readCommit().slice(0, 12),
    date: new Date().toISOString(),
    seconds: Math.round(performance.now() / 1000),
    rounds,
    machine: {
      cpu: processor?.model ?? "unknown",
      cpus: navigator.hardwareConcurrency,
      memoryMB: Math.round(totalmem() / 1024 / 1024),
      kernel: release(),
      bun: Bun.version,
    },
    notes,
    limits: judge(measurements),
    subjects: Object.fromEntries(
      subjects
        .map(({ name, title }) => {
          const figures = measurements.figures(name);
          return [name, { title, figures, memory: measurements.memory(name) }] as const;
        })
        .filter(([, { figures }]) => Object.keys(figures).length > 0),
    ),
  };
}

/** Writes a result, and returns the path of its file; its chart belongs beside it. */
export function writeResult(result: Result, isRelease: boolean): string {
  const directory = isRelease ? RESULTS : `${RESULTS}latest/`;
  const file = `${directory}${isRelease ? result.version : "result"}.json`;
  mkdirSync(directory, { recursive: true });
  // What fits stands on one line: a figure, a point.
  const text = JSON.stringify(result, null, 2).replaceAll(/\{[^{}[\]]{1,120}\}/g, (object) => {
    return object.replaceAll(/\s+/g, " ");
  });
  writeFileSync(file, `${text}\n`);
  if (isRelease) run(["bun", "x", "biome", "format", "--write", file]);
  return file;
}

/** The result as text for a terminal: the figures and the limits. */
export function formatResult(result: Result): string {
  const { machine } = result;
  return [
    `\nhapgent ${result.version} (${result.commit}), Bun ${machine.bun}, ${machine.cpu}, ` +
      `${machine.cpus} CPUs, Linux ${machine.kernel}`,
    `Medians; rounds of load: ${result.rounds}; ± is half of the range in percent of the median.\n`,
    formatFigures(result),
    "",
    ...result.notes,
    "",
    ...result.limits.map(formatVerdict),
  ].join("\n");
}

function formatFigures({ subjects }: Result): string {
  const columns = Object.entries(subjects);
  const rows = FIGURE_NAMES.filter((name) => columns.some(([, { figures }]) => figures[name])).map(
    (name) => {
      const [title, decimals] = FIGURES[name];
      return [title, ...columns.map(([, { figures }]) => formatSpread(figures[name], decimals))];
    },
  );
  const table = [["", ...columns.map(([name]) => name)], ...rows];
  const widths = (table[0] ?? []).map((_, i) =>
    Math.max(...table.map((row) => row[i]?.length ?? 0)),
  );
  const pad = (cell: string, i: number) =>
    i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0);
  return table.map((row) => row.map(pad).join("  ")).join("\n");
}

function formatSpread(spread: Spread | undefined, decimals: number): string {
  if (!spread) return "-";
  const { median, min, max, count } = spread;
  const text = median.toFixed(decimals);
  if (max === min) return count === 1 || median === 0 ? text : `${text} ±0%`;
  const percent = ((max - min) / 2 / median) * 100;
  // Far from the median, the ends say more than a share of it.
  if (percent >= 100) return `${text} (${min.toFixed(decimals)}..${max.toFixed(decimals)})`;
  return `${text} ±${percent.toFixed(0)}%`;
}

function formatVerdict({ what, value, limit, holds, isShownOnly }: Verdict): string {
  const note = isShownOnly && !holds ? " (fails nothing)" : "";
  return `${holds ? "holds" : "FAILS"}  ${what}: ${round(value)}, limit ${round(limit)}${note}`;
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
