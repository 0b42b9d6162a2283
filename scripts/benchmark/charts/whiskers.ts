import type { CustomSeriesOption } from "echarts";

type RenderItem = NonNullable<CustomSeriesOption["renderItem"]>;

/** Half of the length of the stroke at each end, in pixels. */
const CAP = 4;

/** Where a range is on a chart, in pixels. */
export interface Range {
  /** From its least to its greatest. */
  readonly from: number;
  readonly to: number;
  /** Where it is on the other axis. */
  readonly across: number;
}

/** An error bar: a line from the least to the greatest, with a stroke at each end. */
export function whisker({ from, to, across }: Range, color: string, isUpright: boolean) {
  const line = (x1: number, y1: number, x2: number, y2: number) => ({
    type: "line" as const,
    shape: isUpright ? { x1: y1, y1: x1, x2: y2, y2: x2 } : { x1, y1, x2, y2 },
    style: { stroke: color, lineWidth: 2 },
  });
  return [
    line(from, across, to, across),
    line(from, across - CAP, from, across + CAP),
    line(to, across - CAP, to, across + CAP),
  ];
}

/** Error bars over points: each item has the place on the x axis, the least and the greatest. */
export function uprightWhiskers(
  color: string,
  items: readonly (readonly [x: number, min: number, max: number])[],
  grid = 0,
): CustomSeriesOption {
  const renderItem: RenderItem = (_, api) => {
    const [across = 0, from = 0] = api.coord([api.value(0), api.value(1)]);
    const [, to = 0] = api.coord([api.value(0), api.value(2)]);
    return { type: "group", children: whisker({ from, to, across }, color, true) };
  };
  return {
    type: "custom",
    silent: true,
    xAxisIndex: grid,
    yAxisIndex: grid,
    z: 3,
    encode: { x: 0, y: [1, 2] },
    data: items.map((item) => [...item]),
    renderItem,
  };
}
