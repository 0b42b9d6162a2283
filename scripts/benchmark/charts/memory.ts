import type { EChartsOption, SeriesOption } from "echarts";
import type { Result } from "../result.ts";
import {
  AXIS,
  COLORS,
  endLabel,
  formatNumber,
  heading,
  LABELS,
  render,
  SHOWN,
  TEXT,
  WIDTH,
} from "./style.ts";
import { uprightWhiskers } from "./whiskers.ts";

/** Where the start is drawn, which a logarithmic scale has no place for: left of 1,000. */
const START = 100;
const FIRST = 1000;
const LAST = 1e6;

/** The space for labels at the right, and where these begin, in pixels. */
const MARGIN = 220;
const LABELS_AT = WIDTH - MARGIN + 8;

/** Private memory over checks. */
export function drawMemory({ subjects }: Result): string {
  const series: SeriesOption[] = [];
  for (const name of SHOWN) {
    const subject = subjects[name];
    const points = subject?.memory.map(({ checks, rssAnonMB }) => [checks || START, rssAnonMB]);
    if (subject === undefined || points === undefined) continue;
    const color = COLORS[name];
    // To the first 1,000 it is no part of the scale.
    series.push(line("", color, points.slice(0, 2), "dashed"));
    series.push(line(LABELS[name], color, points.slice(1), "solid"));
    const loaded = subject.figures.loadedRssAnonMB;
    if (loaded) series.push(uprightWhiskers(color, [[1e5, loaded.min, loaded.max]]));
  }
  const empty = subjects.empty?.figures.idleRssAnonMB?.median;
  if (empty !== undefined) {
    const points = [START, LAST].map((checks) => [checks, empty]);
    series.push(line(LABELS.empty, COLORS.empty, points, "dotted"));
  }
  const name = "Private memory (RssAnon) over checks";
  const option: EChartsOption = {
    title: heading(name, "MB; the error bars at 100,000 checks are the range of all rounds"),
    grid: { left: 48, right: MARGIN, top: 68, bottom: 56 },
    xAxis: {
      ...AXIS,
      type: "log",
      min: START,
      max: LAST,
      name: "checks, on a logarithmic scale from 1,000 on",
      nameGap: 32,
      axisLabel: {
        ...TEXT,
        formatter: (checks: number) => (checks < FIRST ? "start" : checks.toLocaleString("en")),
      },
    },
    yAxis: { ...AXIS, type: "value", min: 0 },
    series,
  };
  return render(400, name, option);
}

/** A line with its name and last value at its end; without a name it has neither. */
function line(
  name: string,
  color: string,
  data: number[][],
  type: "solid" | "dashed" | "dotted",
): SeriesOption {
  const [, last = 0] = data.at(-1) ?? [];
  return {
    type: "line",
    silent: true,
    color,
    data,
    symbol: type === "dotted" ? "none" : "circle",
    symbolSize: 5,
    itemStyle: { color },
    lineStyle: { width: 2, type },
    // All beside the chart: at the end of a shorter line they would lie on others.
    labelLayout: () => ({ x: LABELS_AT, moveOverlap: "shiftY" }),
    endLabel: endLabel(name && `${name} ${formatNumber(last)}`, color),
    clip: false,
  };
}
