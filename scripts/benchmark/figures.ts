import type { SubjectName } from "./subjects.ts";

/** Connections at a time at which the load is measured. */
export const CONNECTIONS = [1, 32, 256] as const;

/** Server lines of the HAProxy that checks. */
export const SERVER_LINES = [1, 50, 500] as const;

/** Every figure: how its row is called, and how many decimals are worth showing. */
export const FIGURES = {
  binaryMB: ["binary, MB", 2],
  binaryZstdMB: ["binary, zstd -9, MB", 2],
  binaryOursKB: ["binary beyond the empty program, KB", 1],
  startWarmMs: ["start to first reply, ms", 1],
  idleRssAnonMB: ["idle: RssAnon, MB", 2],
  idleRssMB: ["idle: Rss, MB", 1],
  idlePssMB: ["idle: Pss, MB", 1],
  idleThreads: ["idle: threads", 0],
  idleSwitches: ["idle: context switches in 20 s", 0],
  loadedRssAnonMB: ["100,000 checks: RssAnon, MB", 2],
  loadedGrowthMB: ["100,000 checks: growth, MB", 2],
  loadedRssMB: ["100,000 checks: Rss, MB", 1],
  loadedPssMB: ["100,000 checks: Pss, MB", 1],
  loadedThreads: ["100,000 checks: threads", 0],
  laterRssAnonMB: ["... 10 s later: RssAnon, MB", 2],
  laterSwitches: ["... in these 10 s: context switches", 0],
  millionRssAnonMB: ["1,000,000 checks: RssAnon, MB", 2],
  millionGrowthMB: ["1,000,000 checks: growth, MB", 2],
  millionLaterRssAnonMB: ["... 10 s later: RssAnon, MB", 2],
  failedChecks: ["checks that failed", 0],
  cpuMicros1: ["CPU per check, 1 connection, us", 1],
  cpuMicros32: ["CPU per check, 32, us", 1],
  cpuMicros256: ["CPU per check, 256, us", 1],
  checksPerSecond1: ["checks/s, 1 connection", 0],
  checksPerSecond32: ["checks/s, 32", 0],
  checksPerSecond256: ["checks/s, 256", 0],
  serverBusy1: ["server's core busy, 1, %", 0],
  serverBusy32: ["server's core busy, 32, %", 0],
  serverBusy256: ["server's core busy, 256, %", 0],
  clientBusy1: ["client's core busy, 1, %", 0],
  clientBusy32: ["client's core busy, 32, %", 0],
  clientBusy256: ["client's core busy, 256, %", 0],
  othersBusy1: ["all else on this machine, 1, % of a core", 0],
  othersBusy32: ["all else on this machine, 32, % of a core", 0],
  othersBusy256: ["all else on this machine, 256, % of a core", 0],
  p50Micros1: ["latency p50, 1, us", 0],
  p99Micros1: ["latency p99, 1, us", 0],
  p999Micros1: ["latency p99.9, 1, us", 0],
  p50Micros32: ["latency p50, 32, us", 0],
  p99Micros32: ["latency p99, 32, us", 0],
  p999Micros32: ["latency p99.9, 32, us", 0],
  p50Micros256: ["latency p50, 256, us", 0],
  p99Micros256: ["latency p99, 256, us", 0],
  p999Micros256: ["latency p99.9, 256, us", 0],
  cold128Ms: ["cold start, 128 KB read-ahead, ms", 0],
  cold128MB: ["... charged after it, MB", 1],
  cold128LimitMB: ["... least limit for 0.5 s, MB", 0],
  cold4096Ms: ["cold start, 4,096 KB read-ahead, ms", 0],
  cold4096MB: ["... charged after it, MB", 1],
  cold4096LimitMB: ["... least limit for 0.5 s, MB", 0],
  services100MB: ["100 services: RssAnon, MB", 2],
  services1000MB: ["1,000 services: RssAnon, MB", 2],
  plainCpuMicros: ["CPU per check that names no service, us", 1],
  namedCpuMicros: ["CPU per check that names one of 100, us", 1],
  haproxyCpuMicros1: ["HAProxy, 1 line: CPU per check, us", 1],
  haproxyCpuMicros50: ["HAProxy, 50 lines: CPU per check, us", 1],
  haproxyCpuMicros500: ["HAProxy, 500 lines: CPU per check, us", 1],
  haproxyChecks: ["HAProxy: checks in all", 0],
  haproxyFailed: ["HAProxy: checks that failed", 0],
} as const satisfies Record<string, readonly [title: string, decimals: number]>;

export type FigureName = keyof typeof FIGURES;

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
    const result: Partial<Record<FigureName, Spread>> = {};
    for (const name of Object.keys(FIGURES) as FigureName[]) {
      const values = this.#values.get(`${subject} ${name}`);
      if (values) result[name] = spread(values);
    }
    return result;
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
