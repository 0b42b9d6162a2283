import type { SubjectName } from "./subjects.ts";

/** Connections at a time at which the load is measured. */
export type Connections = 32 | 256;

/** Every figure: how its row is called, and how many decimals are worth showing. */
export const FIGURES = {
  binaryMB: ["binary, MB", 2],
  binaryOursKB: ["binary beyond the empty program, KB", 1],
  startWarmMs: ["start to first reply, ms", 1],
  cold128LimitMB: ["memory limit for a cold start in 0.5 s at 128 KB read-ahead, MB", 0],
  idleRssAnonMB: ["idle: RssAnon, MB", 2],
  idleRssMB: ["idle: Rss, MB", 1],
  idleThreads: ["idle: threads", 0],
  idleSwitches: ["idle: context switches in 20 s", 0],
  services100MB: ["100 services: RssAnon, MB", 2],
  services1000MB: ["1,000 services: RssAnon, MB", 2],
  processes100MB: ["100 processes: RssAnon, MB", 1],
  processes100PssMB: ["100 processes: Pss, MB", 1],
  processes100TablesMB: ["100 processes: page tables, MB", 1],
  loadedRssAnonMB: ["100,000 checks: RssAnon, MB", 2],
  loadedGrowthMB: ["100,000 checks: growth, MB", 2],
  loadedThreads: ["100,000 checks: threads", 0],
  millionGrowthMB: ["1,000,000 checks: growth, MB", 2],
  failedChecks: ["checks that failed", 0],
  cpuMicros32: ["CPU per check, 32 connections, us", 1],
  cpuMicros256: ["CPU per check, 256, us", 1],
  checksPerSecond32: ["checks/s, 32", 0],
  checksPerSecond256: ["checks/s, 256", 0],
  clientBusy32: ["client's core busy, 32, %", 0],
  clientBusy256: ["client's core busy, 256, %", 0],
  plainCpuMicros: ["CPU per check that names no service, us", 1],
  namedCpuMicros: ["CPU per check that names one of 100, us", 1],
} as const satisfies Record<string, readonly [title: string, decimals: number]>;

export type FigureName = keyof typeof FIGURES;

export const FIGURE_NAMES = Object.keys(FIGURES) as FigureName[];

/** A figure over its repetitions. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly count: number;
}

/** RssAnon after so many checks. */
export interface MemoryPoint {
  readonly checks: number;
  readonly rssAnonMB: number;
}

/** Collects all values that are measured. */
export class Measurements {
  readonly #values = new Map<string, number[]>();
  readonly #memory = new Map<SubjectName, Map<number, number[]>>();

  add(subject: SubjectName, figure: FigureName, value: number): void {
    append(this.#values, `${subject} ${figure}`, value);
  }

  /** Adds a point to a subject's curve of memory over checks. */
  addMemory(subject: SubjectName, checks: number, rssAnonMB: number): void {
    const curve = this.#memory.get(subject) ?? new Map<number, number[]>();
    this.#memory.set(subject, curve);
    append(curve, checks, rssAnonMB);
  }

  /** All figures of a subject that were measured. */
  figures(subject: SubjectName): Partial<Record<FigureName, Spread>> {
    const measured = FIGURE_NAMES.flatMap((name) => {
      const values = this.#values.get(`${subject} ${name}`);
      return values === undefined ? [] : [[name, spread(values)]];
    });
    return Object.fromEntries(measured);
  }

  /** A subject's curve of memory, each point a median. */
  memory(subject: SubjectName): MemoryPoint[] {
    return [...(this.#memory.get(subject) ?? [])]
      .map(([checks, values]) => ({ checks, rssAnonMB: spread(values).median }))
      .toSorted((a, b) => a.checks - b.checks);
  }
}

function append<K>(lists: Map<K, number[]>, key: K, value: number): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

/**
 * Median, least and greatest of at least one value; of an even number, the mean of the middle two.
 */
function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b).map((value) => Math.round(value * 1000) / 1000);
  const at = (index: number) => sorted[index] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  const median = (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2;
  return { median, min: at(0), max: at(sorted.length - 1), count: sorted.length };
}
