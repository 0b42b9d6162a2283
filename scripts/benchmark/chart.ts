// Draws the chart of a result beside it: bun run charts scripts/benchmark/results/VERSION.json
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Result } from "./result.ts";

// Nothing is drawn behind the chart: GitHub shows it on white or, to those who want it dark, on
// #0d1117. Every colour has a contrast of at least 4 to 1 with both.
const INK = "#707983";
const FONT = "-apple-system, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif";

/** The programs that are shown, and what is written at the end of their lines. */
const SHOWN = [
  ["agent", "hapgent", "#1c72f3"],
  ["untuned", "hapgent, untuned", "#bf5c0f"],
  ["bare", "bare Bun.listen", "#138861"],
  ["epoll", "epoll in C", "#9f55d5"],
  ["against", "the other agent", "#d6433e"],
  ["empty", "empty Bun program", "#73787f"],
] as const;

const TITLE = "Private memory (RssAnon) over checks";
const SIZE = { width: 820, height: 400 };
const PLOT = { left: 48, right: 600, top: 68, bottom: 344 };

/** Where the start is drawn, which a logarithmic scale has no place for: left of 1,000. */
const START = 100;
const LAST = 1e6;

/** Pixels that a label takes. */
const LABEL = 16;

/** A program's curve, in checks and MB. */
interface Course {
  readonly label: string;
  readonly color: string;
  readonly points: readonly (readonly [checks: number, megabytes: number])[];
}

if (import.meta.main) {
  const [file] = process.argv.slice(2);
  if (file === undefined) throw new Error("expected the path of a result");
  drawChart(file);
}

/** Draws the chart of a result into the directory of its file. */
export function drawChart(file: string): void {
  const result: Result = JSON.parse(readFileSync(file, "utf8"));
  writeFileSync(join(dirname(file), "memory.svg"), formatMemory(result));
}

/** Private memory over checks, as the text of an SVG file. */
export function formatMemory({ subjects }: Result): string {
  const courses = SHOWN.flatMap(([name, title, color]): Course[] => {
    const { memory = [], figures } = subjects[name] ?? {};
    const idle = figures?.idleRssAnonMB?.median;
    const points =
      name === "empty" && idle !== undefined
        ? ([START, LAST].map((checks) => [checks, idle]) as [number, number][])
        : memory.map(({ checks, rssAnonMB }) => [checks || START, rssAnonMB] as const);
    const last = points.at(-1)?.[1];
    return last === undefined ? [] : [{ label: `${title} ${last.toFixed(2)}`, color, points }];
  });
  const most = Math.max(
    ...courses.flatMap(({ points }) => points.map(([, megabytes]) => megabytes)),
  );
  const step = most > 10 ? 2 : most > 5 ? 1 : 0.5;
  const top = step * Math.ceil(most / step);
  const x = (checks: number) =>
    PLOT.left + (Math.log10(checks / START) / Math.log10(LAST / START)) * (PLOT.right - PLOT.left);
  const y = (megabytes: number) => PLOT.bottom - (megabytes / top) * (PLOT.bottom - PLOT.top);
  const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, i) => i * step);
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${SIZE.width} ${SIZE.height}" ` +
      `width="${SIZE.width}" height="${SIZE.height}" font-family="${FONT}" font-size="13">`,
    `<title>${TITLE}</title>`,
    text(12, 22, TITLE, { size: 16, weight: 600 }),
    text(12, 46, "MB; medians of all rounds"),
    path(
      [
        [PLOT.left, PLOT.top],
        [PLOT.left, PLOT.bottom],
        [PLOT.right, PLOT.bottom],
      ],
      INK,
      1,
    ),
    ...ticks.map((tick) => text(PLOT.left - 8, y(tick) + 4, String(tick), { anchor: "end" })),
    ...[START, 1e3, 1e4, 1e5, LAST].map((tick) => {
      const label = tick === START ? "start" : tick.toLocaleString("en");
      return text(x(tick), PLOT.bottom + 20, label, { anchor: "middle" });
    }),
    text((PLOT.left + PLOT.right) / 2, PLOT.bottom + 40, "checks, on a logarithmic scale", {
      anchor: "middle",
    }),
    ...courses.map(({ color, points }) =>
      path(
        points.map(([checks, megabytes]) => [x(checks), y(megabytes)]),
        color,
        2,
      ),
    ),
    ...placeLabels(courses, y).map(({ label, color, at }) =>
      text(PLOT.right + 8, at, label, { color, weight: 600 }),
    ),
    "</svg>",
  ].join("\n")}\n`;
}

/** Beside the end of each line, apart from each other: from the bottom up. */
function placeLabels(courses: readonly Course[], y: (megabytes: number) => number) {
  let free = Number.POSITIVE_INFINITY;
  return courses
    .map((course) => ({ ...course, at: y(course.points.at(-1)?.[1] ?? 0) + 4 }))
    .toSorted((one, other) => other.at - one.at)
    .map((label) => {
      const at = Math.min(label.at, free);
      free = at - LABEL;
      return { ...label, at };
    });
}

function path(points: readonly (readonly number[])[], color: string, width: number): string {
  const line = points.map((point) => point.map((value) => value.toFixed(1)).join(" ")).join("L");
  return `<path d="M${line}" fill="none" stroke="${color}" stroke-width="${width}"/>`;
}

function text(
  x: number,
  y: number,
  words: string,
  { color = INK, size = 13, weight = 400, anchor = "start" } = {},
): string {
  const style = `fill="${color}" font-size="${size}" font-weight="${weight}" text-anchor="${anchor}"`;
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${style}>${words}</text>`;
}
