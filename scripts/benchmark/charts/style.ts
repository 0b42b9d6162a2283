import * as echarts from "echarts";
import type { SubjectName } from "../subjects.ts";

// Nothing is drawn behind a chart: GitHub shows it on white or, to those who want it dark, on
// #0d1117. Every colour has a contrast of at least 4 to 1 with both.

/** Text and axes. */
export const INK = "#707983";

export const COLORS = {
  agent: "#1c72f3",
  untuned: "#bf5c0f",
  bare: "#138861",
  empty: "#73787f",
  epoll: "#9f55d5",
  against: "#d6433e",
} as const satisfies Partial<Record<SubjectName, string>>;

export const LABELS: Record<keyof typeof COLORS, string> = {
  agent: "hapgent",
  untuned: "hapgent, untuned",
  bare: "bare Bun.listen",
  empty: "empty Bun program",
  epoll: "epoll in C",
  against: "the other agent",
};

/** Those that answer checks, in the order in which they are shown. */
export const SHOWN = ["agent", "untuned", "bare", "epoll", "against"] as const;

/** Width of every chart, in pixels. */
export const WIDTH = 820;

const FONT = "-apple-system, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif";

/** Of text beside a line or an axis; without it the library draws a white edge around letters. */
export const TEXT = { color: INK, fontFamily: FONT, fontSize: 13, textBorderWidth: 0 };

/**
 * The name of a line at its end: a little above it, where neither the axis nor the next line is.
 */
export function endLabel(text: string, color: string) {
  const style = { ...TEXT, color, fontWeight: 600, offset: [0, -6] };
  return { ...style, show: text !== "", formatter: () => text };
}

/** The title of a part of a chart. */
export function title(text: string, left: number, top: number, textStyle: object = {}) {
  return { text, left, top, padding: 0, textStyle: { ...TEXT, fontWeight: 600, ...textStyle } };
}

/** The title of a whole chart, and what there is to say of it. */
export function heading(text: string, note?: string) {
  const above = title(text, 12, 10, { fontSize: 16 });
  return note === undefined ? [above] : [above, title(note, 12, 36, { fontWeight: 400 })];
}

/** The legend below the heading. */
export const LEGEND = {
  ...{ left: 12, top: 36, padding: 0, itemGap: 30, itemHeight: 12 },
  textStyle: TEXT,
};

/** What all axes look like: a line and its ticks, and nothing across the chart that text meets. */
export const AXIS = {
  axisLine: { show: true, lineStyle: { color: INK } },
  axisTick: { show: true, lineStyle: { color: INK } },
  axisLabel: TEXT,
  nameTextStyle: TEXT,
  nameLocation: "middle",
  splitLine: { show: false },
  silent: true,
} as const;

/** Draws a chart as the text of an SVG file, which says in words what it shows. */
export function render(height: number, name: string, option: echarts.EChartsOption): string {
  const size = { width: WIDTH, height };
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, ...size });
  chart.setOption({ animation: false, textStyle: TEXT, ...option });
  const svg = chart.renderToSVGString({ useViewBox: true });
  // Timers of its own would keep the program alive.
  chart.dispose();
  return `${svg.replace(/^<svg [^>]*>/, (start) => `${start}<title>${name}</title>`)}\n`;
}

/** A number with three digits that count, two decimals at most, and commas in thousands. */
export function formatNumber(value: number): string {
  const rounded = Number(value.toPrecision(3));
  const digits = rounded < 10 ? 2 : rounded < 100 ? 1 : 0;
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return value.toLocaleString("en", options);
}
