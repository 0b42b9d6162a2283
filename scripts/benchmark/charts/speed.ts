import type { CustomSeriesOption, EChartsOption, SeriesOption } from "echarts";
import { CONNECTIONS, type FigureName } from "../figures.ts";
import type { Result } from "../result.ts";
import {
  AXIS,
  COLORS,
  formatNumber,
  heading,
  LABELS,
  LEGEND,
  render,
  SHOWN,
  TEXT,
  title,
} from "./style.ts";
import { whisker } from "./whiskers.ts";

const BARS = { barGap: "20%", barCategoryGap: "26%" };
const HEIGHT = 440;
const PANEL = { top: 92, bottom: 40, width: 290 };

/** A half of the chart: a figure by the number of connections. */
interface Panel {
  readonly title: string;
  readonly left: number;
  readonly divisor: number;
  readonly figure: (connections: (typeof CONNECTIONS)[number]) => FigureName;
}

const PANELS: readonly Panel[] = [
  {
    title: "Thousand checks per second",
    left: 60,
    divisor: 1000,
    figure: (connections) => `checksPerSecond${connections}`,
  },
  {
    title: "CPU time per check, µs",
    left: 470,
    divisor: 1,
    figure: (connections) => `cpuMicros${connections}`,
  },
];

/** Checks per second and CPU time per check, by the number of connections. */
export function drawSpeed({ subjects }: Result): string {
  const names = SHOWN.filter((name) => subjects[name]?.figures.checksPerSecond32);
  const series = PANELS.flatMap((panel, grid) =>
    names.flatMap((name, position): SeriesOption[] => {
      const spreads = CONNECTIONS.map((connections) => {
        const spread = subjects[name]?.figures[panel.figure(connections)];
        return [spread?.median, spread?.min, spread?.max].map((value) => {
          return value === undefined ? Number.NaN : value / panel.divisor;
        });
      });
      const axes = { xAxisIndex: grid, yAxisIndex: grid, silent: true };
      return [
        {
          ...{ type: "bar", name: LABELS[name], ...axes, ...BARS },
          itemStyle: { color: COLORS[name], opacity: 0.4 },
          data: spreads.map(([median = Number.NaN]) => median),
        },
        { ...makeWhiskers(COLORS[name], position, names.length, spreads), ...axes },
      ];
    }),
  );
  const name = "Speed and cost of checks";
  const option: EChartsOption = {
    title: [
      ...heading(name),
      ...PANELS.map((panel) => title(`${panel.title}, by connections`, panel.left, 66)),
    ],
    legend: {
      ...{ ...LEGEND, itemWidth: 12 },
      itemStyle: { opacity: 1 },
      data: names.map((subject) => LABELS[subject]),
    },
    grid: PANELS.map(({ left }) => ({ ...PANEL, left })),
    xAxis: PANELS.map((_, gridIndex) => ({ ...AXIS, type: "value", gridIndex })),
    yAxis: PANELS.map((_, gridIndex) => ({
      ...AXIS,
      type: "category",
      gridIndex,
      inverse: true,
      axisTick: { show: false },
      data: CONNECTIONS.map(String),
    })),
    series,
  };
  return render(HEIGHT, name, option);
}

/** Error bars over the bars of one program, and the median in words right of each. */
function makeWhiskers(
  color: string,
  position: number,
  count: number,
  spreads: readonly (readonly number[])[],
): CustomSeriesOption {
  return {
    type: "custom",
    z: 3,
    encode: { x: [1, 2, 3], y: 0 },
    data: spreads.map((spread, group) => [group, ...spread]),
    renderItem(_, api) {
      const [median, min, max] = [api.value(1), api.value(2), api.value(3)];
      if (Number.isNaN(Number(median))) return null;
      const [from = 0, middle = 0] = api.coord([min, api.value(0)]);
      const [to = 0] = api.coord([max, api.value(0)]);
      const across = middle + (api.barLayout?.({ ...BARS, count })?.[position]?.offsetCenter ?? 0);
      const label = {
        type: "text" as const,
        style: {
          ...{ x: to + 8, y: across, verticalAlign: "middle" as const },
          text: formatNumber(Number(median)),
          fill: color,
          font: `600 12px ${TEXT.fontFamily}`,
        },
      };
      return {
        type: "group",
        children: [...whisker({ from, to, across }, color, false), label],
      };
    },
  };
}
