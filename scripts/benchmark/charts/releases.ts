import type { EChartsOption, SeriesOption } from "echarts";
import type { FigureName, Spread } from "../figures.ts";
import type { Result } from "../result.ts";
import type { SubjectName } from "../subjects.ts";
import { AXIS, COLORS, heading, LEGEND, render, title } from "./style.ts";
import { uprightWhiskers } from "./whiskers.ts";

const HEIGHT = 340;
const PANEL = { top: 92, bottom: 40, width: 300 };

/** A line of the chart: a program's figure over the releases. */
interface Course {
  readonly label: string;
  readonly subject: SubjectName;
  readonly figure: FigureName;
  readonly color: string;
  readonly panel: number;
}

const COURSES: readonly Course[] = [
  {
    ...{ label: "hapgent, on disk", color: COLORS.against, panel: 0 },
    ...{ subject: "agent", figure: "binaryOursKB" },
  },
  {
    ...{ label: "after 1,000,000 checks", color: COLORS.untuned, panel: 1 },
    ...{ subject: "agent", figure: "millionRssAnonMB" },
  },
  {
    ...{ label: "hapgent, idle", color: COLORS.agent, panel: 1 },
    ...{ subject: "agent", figure: "idleRssAnonMB" },
  },
  {
    ...{ label: "empty Bun program", color: COLORS.empty, panel: 1 },
    ...{ subject: "empty", figure: "idleRssAnonMB" },
  },
];

const PANELS = [
  { title: "Binary beyond an empty program, KB", left: 60 },
  { title: "Private memory (RssAnon), MB", left: 470 },
];

/** Size and memory of each release. */
export function drawReleases(releases: readonly Result[]): string {
  const name = "Size and memory by release";
  const option: EChartsOption = {
    title: [...heading(name), ...PANELS.map((panel) => title(panel.title, panel.left, 66))],
    legend: { ...LEGEND, data: COURSES.map(({ label }) => label) },
    grid: PANELS.map(({ left }) => ({ ...PANEL, left })),
    xAxis: PANELS.map((_, gridIndex) => ({
      ...AXIS,
      type: "category",
      gridIndex,
      data: releases.map(({ version }) => version),
    })),
    yAxis: PANELS.map((_, gridIndex) => ({ ...AXIS, type: "value", gridIndex, min: 0 })),
    series: COURSES.flatMap((course) => drawCourse(course, releases)),
  };
  return render(HEIGHT, name, option);
}

function drawCourse(course: Course, releases: readonly Result[]): SeriesOption[] {
  const { label, subject, figure, color, panel } = course;
  const spreads = releases.map(({ subjects }) => subjects[subject]?.figures[figure]);
  const ranges = spreads.flatMap((spread: Spread | undefined, index) => {
    return spread && spread.min < spread.max ? [[index, spread.min, spread.max] as const] : [];
  });
  return [
    {
      ...{ type: "line", name: label, xAxisIndex: panel, yAxisIndex: panel, silent: true, color },
      ...{ symbol: "circle", symbolSize: 6, lineStyle: { width: 2 } },
      data: spreads.map((spread) => spread?.median ?? null),
    },
    uprightWhiskers(color, ranges, panel),
  ];
}
