import type { SubjectName } from "./subjects.ts";

/** Every figure: how its row is called, and how many decimals are worth showing. */
export const FIGURES = {
  binaryMB: ["binary, MB", 2],
  binaryOursKB: ["binary beyond the empty program, KB", 1],
  startWarmMs: ["start to first reply, ms", 1],
  idleRssAnonMB: ["idle: RssAnon, MB", 2],
  idleRssMB: ["idle: Rss, MB", 1],
  idleThreads: ["idle: threads", 0],
  idleSwitches: ["idle: context switches in 20 s", 0],
  socketMB: ["with a control socket: RssAnon, MB", 2],
  services100MB: ["100 services: RssAnon, MB", 2],
  services1000MB: ["1,000 services: RssAnon, MB", 2],
  loadedRssAnonMB: ["100,000 checks: RssAnon, MB", 2],
  loadedGrowthMB: ["100,000 checks: growth, MB", 2],
  loadedThreads: ["100,000 checks: threads", 0],
  millionGrowthMB: ["1,000,000 checks: growth, MB", 2],
  failedChecks: ["checks that failed", 0],
  cpuMicros32: ["CPU per check, us", 1],
  checksPerSecond32: ["checks/s", 0],
  clientBusy32: ["client's core busy, %", 0],
} as const satisfies Record<string, readonly [title: string, decimals: number]>;

export type FigureName = keyof typeof FIGURES;

export const FIGURE_NAMES = Object.keys(FIGURES) as FigureName[];

/** A figure over its repetitions. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** What was measured of one program. */
export interface SubjectResult {
  readonly figures: Partial<Record<FigureName, Spread>>;
  /** RssAnon after so many checks. */
  readonly memory: readonly { readonly checks: number; readonly rssAnonMB: number }[];
}

/** A value, of a figure or of RssAnon in MB after so many checks. */
interface Measurement {
  readonly subject: SubjectName;
  readonly of: FigureName | number;
  readonly value: number;
}

/** Collects all values that are measured. */
export class Measurements {
  readonly #all: Measurement[] = [];

  add(subject: SubjectName, of: FigureName | number, value: number): void {
    this.#all.push({ subject, of, value });
  }

  /** All that was measured of a subject. */
  result(name: SubjectName): SubjectResult {
    const own = this.#all.filter(({ subject }) => subject === name);
    const spreads = [...Map.groupBy(own, ({ of }) => of)].map(([of, measured]) => {
      return [of, spread(measured.map(({ value }) => value))] as const;
    });
    const memory = spreads.flatMap(([checks, { median }]) =>
      typeof checks === "number" ? [{ checks, rssAnonMB: median }] : [],
    );
    return {
      figures: Object.fromEntries(spreads.filter(([of]) => typeof of === "string")),
      memory: memory.toSorted((a, b) => a.checks - b.checks),
    };
  }
}

/**
 * Median, least and greatest of at least one value; of an even number, the mean of the middle two.
 */
function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b).map((value) => Math.round(value * 1000) / 1000);
  const at = (index: number) => sorted[index] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  const median = (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2;
  return { median, min: at(0), max: at(sorted.length - 1) };
}
