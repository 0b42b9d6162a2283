import { CONNECTIONS, FIGURES, type FigureName, type Spread } from "./figures.ts";
import type { Verdict } from "./limits.ts";
import type { Result, SubjectResult } from "./result.ts";
import type { SubjectName } from "./subjects.ts";

/** Below this share of its core a program is waiting; above, it is the bottleneck. In percent. */
const BUSY = 90;

/** Above this share of a core, in percent, other programs disturb the measurement. */
const DISTURBED = 25;

/** The result as text for a terminal: the figures, what limited the speed, the limits. */
export function formatResult(result: Result): string {
  const { machine } = result;
  return [
    `\nhapgent ${result.version} (${result.commit}), Bun ${machine.bun}, ${machine.cpu}, ` +
      `${machine.cpus} CPUs, Linux ${machine.kernel}`,
    `Medians; rounds of load: ${result.rounds}; ± is half of the range in percent of the median.`,
    "x floor: the agent against the bare program, or the empty one; x limit: against epoll.\n",
    formatFigures(result),
    "",
    ...formatBottlenecks(result),
    ...formatDisturbance(result),
    ...result.notes,
    "",
    ...result.limits.map(formatVerdict),
  ].join("\n");
}

function formatFigures({ subjects }: Result): string {
  const columns = Object.entries(subjects) as [SubjectName, SubjectResult][];
  const rows = [["", ...columns.map(([name]) => name), "x floor", "x limit"]];
  for (const name of Object.keys(FIGURES) as FigureName[]) {
    const spreads = columns.map(([, { figures }]) => figures[name]);
    if (spreads.every((spread) => spread === undefined)) continue;
    const median = (subject: SubjectName) => subjects[subject]?.figures[name]?.median;
    const isMemory = name.startsWith("idle") || name.startsWith("binary");
    const floor = median(isMemory ? "empty" : "bare");
    rows.push([
      FIGURES[name][0],
      ...spreads.map((spread) => formatSpread(spread, FIGURES[name][1])),
      formatRatio(median("agent"), floor),
      isMemory ? "" : formatRatio(median("agent"), median("epoll")),
    ]);
  }
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join("  "),
    )
    .join("\n");
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

function formatRatio(value: number | undefined, base: number | undefined): string {
  return value === undefined || !base ? "" : (value / base).toFixed(2);
}

/**
 * Says of each subject and number of connections who was at the end of its core: client or server.
 */
function formatBottlenecks({ subjects }: Result): string[] {
  const lines: string[] = [];
  for (const connections of CONNECTIONS) {
    const words = Object.entries(subjects).flatMap(([name, { figures }]) => {
      const server = figures[`serverBusy${connections}`]?.median;
      const client = figures[`clientBusy${connections}`]?.median;
      if (server === undefined || client === undefined) return [];
      return [`${name} ${nameBottleneck(server, client)}`];
    });
    if (words.length > 0) lines.push(`limited by, ${connections} connections: ${words.join(", ")}`);
  }
  return lines;
}

function nameBottleneck(server: number, client: number): string {
  if (server >= BUSY && client >= BUSY) return "both";
  if (server >= BUSY) return "the server";
  return client >= BUSY ? "THE CLIENT" : "neither";
}

/** Says so when other programs took so much of the machine that speeds mean little. */
function formatDisturbance({ subjects }: Result): string[] {
  const others = subjects.agent?.figures.othersBusy32?.median ?? 0;
  if (others < DISTURBED) return [];
  return [`DISTURBED: other programs used ${others.toFixed(0)}% of a core; speeds mean little.`];
}

function formatVerdict({ what, value, limit, holds, isShownOnly }: Verdict): string {
  const note = isShownOnly && !holds ? " (fails nothing)" : "";
  return `${holds ? "holds" : "FAILS"}  ${what}: ${round(value)}, limit ${round(limit)}${note}`;
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
