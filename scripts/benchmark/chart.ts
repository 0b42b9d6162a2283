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

/** Where the curves are, in pixels. */
const [LEFT, RIGHT, TOP, BOTTOM] = [48, 600, 68, 344];

/** Where the start is drawn, which a logarithmic scale has no place for: left of 1,000. */
const START = 100;
const LAST = 1e6;

/** Megabytes between two ticks, and pixels that a label takes. */
const TICK = 2;
const LABEL = 16;

type Point = readonly [x: number, y: number];

/** Private memory over checks, as the text of an SVG file. */
export function formatMemory({ subjects }: Result): string {
  const courses = SHOWN.flatMap(([name, title, color]) => {
    const { memory = [], figures } = subjects[name] ?? {};
    const idle = figures?.idleRssAnonMB?.median;
    const points: readonly Point[] =
      name === "empty" && idle !== undefined
        ? [START, LAST].map((checks) => [checks, idle] as const)
        : memory.map(({ checks, rssAnonMB }) => [checks || START, rssAnonMB] as const);
    const last = points.at(-1)?.[1];
    return last === undefined
      ? []
      : [{ label: `${title} ${last.toFixed(2)}`, color, points, last }];
  });
  const most = Math.max(...courses.flatMap(({ points }) => points.map(([, value]) => value)));
  const ticks = Math.ceil(most / TICK);
  const x = (checks: number) =>
    LEFT + (Math.log(checks / START) / Math.log(LAST / START)) * (RIGHT - LEFT);
  const y = (megabytes: number) => BOTTOM - (megabytes / (TICK * ticks)) * (BOTTOM - TOP);
  const middle = { anchor: "middle" };
  // Beside the end of each line, apart from each other: from the bottom up.
  let free = Number.POSITIVE_INFINITY;
  const labels = courses
    .toSorted((one, other) => one.last - other.last)
    .map(({ label, color, last }) => {
      const at = Math.min(y(last) + 4, free);
      free = at - LABEL;
      return text(RIGHT + 8, at, label, { color, weight: 600 });
    });
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 820 400" width="820" height="400" ` +
      `font-family="${FONT}" font-size="13">`,
    `<title>${TITLE}</title>`,
    text(12, 22, TITLE, { size: 16, weight: 600 }),
    text(12, 46, "MB; medians of all rounds"),
    path(`M${LEFT} ${TOP}V${BOTTOM}H${RIGHT}`, INK, 1),
    ...Array.from({ length: ticks + 1 }, (_, i) => i * TICK).map((tick) =>
      text(LEFT - 8, y(tick) + 4, String(tick), { anchor: "end" }),
    ),
    ...[START, 1e3, 1e4, 1e5, LAST].map((tick) =>
      text(x(tick), BOTTOM + 20, tick === START ? "start" : tick.toLocaleString("en"), middle),
    ),
    text((LEFT + RIGHT) / 2, BOTTOM + 40, "checks, on a logarithmic scale", middle),
    ...courses.map(({ color, points }) => {
      const places = points.map(
        ([checks, value]) => `${x(checks).toFixed(1)} ${y(value).toFixed(1)}`,
      );
      return path(`M${places.join("L")}`, color, 2);
    }),
    ...labels,
    "</svg>",
  ].join("\n")}\n`;
}

function path(line: string, color: string, width: number): string {
  return `<path d="${line}" fill="none" stroke="${color}" stroke-width="${width}"/>`;
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
