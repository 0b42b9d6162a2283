import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { version } from "../../package.json";
import { readCommit } from "../lib/git.ts";
import { ROOT, run } from "../lib/shell.ts";
import type { FigureName, Measurements, MemoryPoint, Spread } from "./figures.ts";
import { judge, type Verdict } from "./limits.ts";
import type { Subject, SubjectName } from "./subjects.ts";

/**
 * Results of releases and their charts; those of other runs lie in `latest`, outside of the
 * repository.
 */
export const RESULTS = `${ROOT}scripts/benchmark/results/`;

/** What was measured of one program. */
export interface SubjectResult {
  readonly title: string;
  readonly figures: Partial<Record<FigureName, Spread>>;
  readonly memory: MemoryPoint[];
}

/** What processes hold, all of them together, in MB. */
export interface ServicesMemory {
  readonly rssAnon: number;
  readonly pss: number;
  /** What the kernel needs to map it; no part of the other two. */
  readonly pageTables: number;
}

/** What so many services take: in one agent, and with a process for each. */
export interface ServicesPoint {
  readonly services: number;
  readonly agent: ServicesMemory;
  readonly processes?: ServicesMemory;
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
  /** Only in runs that measured it. */
  readonly services?: readonly ServicesPoint[];
}

/** Puts together what was measured, where, and how it compares with the limits. */
export function makeResult(
  measurements: Measurements,
  subjects: readonly Subject[],
  rounds: number,
  notes: readonly string[],
  services: readonly ServicesPoint[],
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
    services,
  };
}

/** Writes a result, and returns the path of its file; its charts belong beside it. */
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
