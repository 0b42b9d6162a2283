import { writeFileSync } from "node:fs";
import { CONNECTIONS, type FigureName } from "./figures.ts";
import { type Result, readReleases } from "./result.ts";
import type { SubjectName } from "./subjects.ts";
import { type Bar, barChart, legend, line, svg, text, yAxis } from "./svg.ts";

const COLORS: Record<SubjectName, string> = {
  agent: "#3f83f8",
  selfTuned: "#6aa5fa",
  untuned: "#e0863a",
  bare: "#3fa387",
  empty: "#7d8590",
  epoll: "#a371d8",
  against: "#d3544f",
};

const LABELS: Record<SubjectName, string> = {
  agent: "hapgent",
  selfTuned: "hapgent, self-tuned",
  untuned: "hapgent, untuned",
  bare: "bare Bun.listen",
  empty: "empty Bun program",
  epoll: "epoll in C",
  against: "other",
};

const WIDTH = 800;

/** Draws a run's charts, and those of all releases, into a directory. */
export function drawCharts(result: Result, directory: string): void {
  writeFileSync(`${directory}memory.svg`, drawMemory(result));
  writeFileSync(`${directory}speed.svg`, drawSpeed(result));
  const releases = readReleases();
  if (releases.length > 0) writeFileSync(`${directory}releases.svg`, drawReleases(releases));
}

/**
 * Private memory over the number of checks, on a logarithmic scale that begins with none at all.
 */
function drawMemory({ subjects }: Result): string {
  const box = { x: 56, y: 60, width: 560, height: 250 };
  const names = pick(subjects, ["agent", "untuned", "bare", "epoll", "against"]);
  const curves = names.map((name) => ({ name, points: subjects[name]?.memory ?? [] }));
  const empty = subjects.empty?.figures.idleRssAnonMB?.median ?? 0;
  const values = curves.flatMap(({ points }) => points.map(({ rssAnonMB }) => rssAnonMB));
  const parts: string[] = [];
  const y = yAxis(box, Math.max(empty, ...values), parts);
  // Decades from 1,000 to 1,000,000; the start lies one before them.
  const x = (checks: number) =>
    box.x + (box.width / 4) * (checks < 1000 ? 0 : Math.log10(checks) - 2);
  for (const [checks, label] of [
    [0, "start"],
    [1e3, "1,000"],
    [1e4, "10,000"],
    [1e5, "100,000"],
    [1e6, "1,000,000 checks"],
  ] as const) {
    parts.push(text(x(checks), box.y + box.height + 20, label, { anchor: "middle" }));
  }
  const labels: { x: number; y: number; name: SubjectName; value: number }[] = [];
  for (const { name, points } of curves) {
    const path = points.map(({ checks, rssAnonMB }) => [x(checks), y(rssAnonMB)] as const);
    parts.push(line(path, COLORS[name]));
    const [last] = points.slice(-1);
    if (last) labels.push({ x: x(last.checks), y: y(last.rssAnonMB), name, value: last.rssAnonMB });
  }
  parts.push(
    line(
      [
        [box.x, y(empty)],
        [box.x + box.width, y(empty)],
      ],
      COLORS.empty,
      true,
    ),
  );
  labels.push({ x: x(1e6), y: y(empty), name: "empty", value: empty });
  for (const label of labels) {
    const content = `${LABELS[label.name]} ${label.value.toFixed(2)}`;
    parts.push(
      text(label.x + 8, Math.min(label.y + 4, box.y + box.height - 8), content, {
        color: COLORS[label.name],
      }),
    );
  }
  return svg(WIDTH, 346, "Private memory (RssAnon) over checks, MB", parts);
}

/** Checks per second and CPU time per check, by the number of connections. */
function drawSpeed({ subjects }: Result): string {
  const names = pick(subjects, ["agent", "untuned", "bare", "epoll", "against"]);
  const panel = (
    x: number,
    title: string,
    figure: (connections: (typeof CONNECTIONS)[number]) => FigureName,
    divisor: number,
  ) => {
    const groups = CONNECTIONS.map((connections) => ({
      label: String(connections),
      bars: names.flatMap((name) => makeBar(subjects, name, figure(connections), { divisor })),
    }));
    return barChart({ x, y: 84, width: 320, height: 200 }, `${title}, by connections`, groups);
  };
  const entries = names.map((name) => [LABELS[name], COLORS[name]] as const);
  return svg(WIDTH, 350, "Speed and cost of checks", [
    panel(56, "Thousand checks per second", (connections) => `checksPerSecond${connections}`, 1000),
    panel(456, "CPU time per check, µs", (connections) => `cpuMicros${connections}`, 1),
    legend(56, 334, entries),
  ]);
}

/** Size and memory of each release. */
function drawReleases(releases: readonly Result[]): string {
  const box = { x: 56, y: 84, width: 320, height: 200 };
  const groups = (figures: readonly (readonly [SubjectName, FigureName, string])[]) =>
    releases.map(({ version, subjects }) => ({
      label: version,
      bars: figures.flatMap(([name, figure, color]) => makeBar(subjects, name, figure, { color })),
    }));
  const memory = [
    ["empty", "idleRssAnonMB", COLORS.empty],
    ["agent", "idleRssAnonMB", COLORS.selfTuned],
    ["agent", "millionRssAnonMB", COLORS.agent],
  ] as const;
  return svg(WIDTH, 350, "Size and memory by release", [
    barChart(
      box,
      "Binary beyond an empty program, KB",
      groups([["agent", "binaryOursKB", COLORS.agent]]),
    ),
    barChart({ ...box, x: 456 }, "Private memory (RssAnon), MB", groups(memory)),
    legend(396, 334, [
      ["empty program", COLORS.empty],
      ["hapgent, idle", COLORS.selfTuned],
      ["after 1,000,000", COLORS.agent],
    ]),
  ]);
}

function makeBar(
  subjects: Result["subjects"],
  name: SubjectName,
  figure: FigureName,
  { color = COLORS[name], divisor = 1 } = {},
): Bar[] {
  const spread = subjects[name]?.figures[figure];
  if (!spread) return [];
  const { median, min, max } = spread;
  return [{ color, value: median / divisor, min: min / divisor, max: max / divisor }];
}

function pick(subjects: Result["subjects"], names: readonly SubjectName[]): SubjectName[] {
  return names.filter((name) => subjects[name] !== undefined);
}
