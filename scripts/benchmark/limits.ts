import { FIGURES, type FigureName, type Measurements, type Spread } from "./figures.ts";
import type { SubjectName } from "./subjects.ts";

/** What the agent must keep to, once measured. */
export interface Verdict {
  readonly what: string;
  readonly value: number;
  readonly limit: number;
  readonly holds: boolean;
  /** A time or a speed: it is shown, and fails nothing. */
  readonly isShownOnly: boolean;
}

/** The most that a figure of the agent may be. */
const LIMITS: readonly (readonly [figure: FigureName, limit: number, of?: keyof Spread])[] = [
  // With bytecode, which earns it in memory and start; 64 without.
  ["binaryOursKB", 2048],
  // The aim is 2.15; 2.20 is reached, and 0.05 more by which thread closes the state file.
  ["idleRssAnonMB", 2.3],
  ["services100MB", 2.6],
  ["services1000MB", 3.5],
  ["cold128LimitMB", 24],
  // Most of it is the runtime's: a bare program grows by 0.38. Garbage comes and goes, more of it on a
  // busy machine; what stays is the least of all rounds. What leaks shows in a million checks.
  ["loadedGrowthMB", 0.45, "min"],
  ["millionGrowthMB", 0.3],
  ["idleThreads", 3, "max"],
  ["loadedThreads", 3, "max"],
  ["idleSwitches", 0, "max"],
  ["failedChecks", 0, "max"],
];

/** A figure that is compared with another one of the same run, and how many times that it may be. */
interface Ratio {
  readonly figure: FigureName;
  readonly times: number;
  readonly to: readonly [subject: SubjectName, figure: FigureName];
  /** The limit is the least that will do, not the most. */
  readonly isLeast?: true;
}

/** Times and speeds depend on what else the machine does: they are shown, and fail nothing. */
const RATIOS: readonly Ratio[] = [
  { figure: "cpuMicros32", times: 1.5, to: ["epoll", "cpuMicros32"] },
  { figure: "checksPerSecond32", times: 0.8, to: ["epoll", "checksPerSecond32"], isLeast: true },
  { figure: "cpuMicros256", times: 1.5, to: ["epoll", "cpuMicros256"] },
  { figure: "checksPerSecond256", times: 0.8, to: ["epoll", "checksPerSecond256"], isLeast: true },
  { figure: "namedCpuMicros", times: 1.25, to: ["agent", "plainCpuMicros"] },
  { figure: "startWarmMs", times: 1.5, to: ["bare", "startWarmMs"] },
];

/**
 * Compares what was measured with the limits, which are nowhere else; a limit on something that was
 * not measured is left out.
 */
export function judge(measurements: Measurements): Verdict[] {
  const look = (subject: SubjectName, figure: FigureName, of: keyof Spread = "median") =>
    measurements.figures(subject)[figure]?.[of] ?? Number.NaN;
  const verdicts = [
    ...LIMITS.map(([figure, limit, of]) => {
      const value = look("agent", figure, of);
      const [what] = FIGURES[figure];
      return { what, value, limit, holds: value <= limit, isShownOnly: false };
    }),
    ...RATIOS.map(({ figure, times, to: [subject, other], isLeast }) => {
      const value = look("agent", figure);
      const limit = times * look(subject, other);
      const of = subject === "agent" ? FIGURES[other][0] : subject;
      const what = `${FIGURES[figure][0]}, against ${times} of ${of}`;
      const holds = isLeast ? value >= limit : value <= limit;
      return { what, value, limit, holds, isShownOnly: true };
    }),
  ];
  return verdicts.filter(({ value, limit }) => !Number.isNaN(value + limit));
}
