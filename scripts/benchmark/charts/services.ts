import type { EChartsOption, SeriesOption } from "echarts";
import type { ServicesPoint } from "../result.ts";
import { AXIS, COLORS, endLabel, formatNumber, heading, render, TEXT } from "./style.ts";

/** Private memory of one agent with several services, and of a process for each. */
export function drawServices(points: readonly ServicesPoint[]): string {
  const name = "Private memory (RssAnon) over services";
  const axis = { ...AXIS, type: "log", minorTick: { show: true, splitNumber: 9 } } as const;
  const option: EChartsOption = {
    title: heading(name, "MB, on a logarithmic scale"),
    grid: { left: 60, right: 230, top: 68, bottom: 56 },
    xAxis: {
      ...axis,
      name: "services of a host, on a logarithmic scale",
      nameGap: 32,
      min: Math.min(...points.map(({ services }) => services)),
      max: Math.max(...points.map(({ services }) => services)),
    },
    yAxis: {
      ...axis,
      axisLabel: { ...TEXT, formatter: (value: number) => value.toLocaleString("en") },
    },
    series: [
      line(
        "one agent",
        COLORS.agent,
        points.map(({ services, agent }) => [services, agent.rssAnon]),
      ),
      line(
        "a process for each",
        COLORS.untuned,
        points.flatMap(({ services, processes }) => {
          return processes ? [[services, processes.rssAnon]] : [];
        }),
      ),
    ],
  };
  return render(400, name, option);
}

function line(name: string, color: string, data: number[][]): SeriesOption {
  const [, last = 0] = data.at(-1) ?? [];
  return {
    ...{ type: "line", silent: true, color, data, clip: false },
    ...{ symbol: "circle", symbolSize: 6, lineStyle: { width: 2 } },
    endLabel: endLabel(data.length > 0 ? `${name}: ${formatNumber(last)} MB` : "", color),
  };
}
