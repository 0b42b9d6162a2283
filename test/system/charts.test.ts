// The charts:
// - those in the repository are drawn from the result beside them;
// - they can be read on white and on GitHub's dark background;
// - a logarithmic axis says so, and every range is an error bar;
// - that of services waits for its figures, that of releases for three releases.
import { beforeAll, expect, test } from "bun:test";
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Result } from "../../scripts/benchmark/result.ts";
import { outcome, output, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";

const RESULTS = `${ROOT}scripts/benchmark/results`;
const RELEASE = "0.1.0";
const BACKGROUNDS = ["#ffffff", "#0d1117"];

const directory = temporaryDirectory();
const result: Result = await Bun.file(join(RESULTS, `${RELEASE}.json`)).json();

/** Draws the charts of a result among those that a directory has. */
async function draw(version: string, more: object = {}, { path } = directory): Promise<void> {
  const file = join(path, `${version}.json`);
  writeFileSync(file, JSON.stringify({ ...result, version, ...more }));
  await output(["bun", "scripts/benchmark/charts/main.ts", file]);
}

function read(name: string): string {
  return readFileSync(join(directory.path, `${name}.svg`), "utf8");
}

/** What a chart says, in the order in which it is drawn. */
function readTexts(svg: string): string[] {
  return [...svg.matchAll(/<text [^>]*>([^<]+)</g)].map(([, text = ""]) => text);
}

/** How bright a colour is, from 0 to 1, as WCAG has it. */
function luminance(color: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(color.slice(at, at + 2), 16) / 255;
    return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: string, other: string): number {
  const [dark = 0, bright = 0] = [luminance(one), luminance(other)].toSorted((a, b) => a - b);
  return (bright + 0.05) / (dark + 0.05);
}

beforeAll(async () => {
  copyFileSync(join(RESULTS, `${RELEASE}.json`), join(directory.path, `${RELEASE}.json`));
  await draw(RELEASE);
}, 60_000);

test.each(["memory", "speed", "services"])("%s.svg in the repository is current", (name) => {
  expect(read(name) === readFileSync(join(RESULTS, `${name}.svg`), "utf8")).toBe(true);
});

test("the others wait for what they show", async () => {
  using other = temporaryDirectory();
  await draw(RELEASE, { services: undefined }, other);
  expect(existsSync(join(other.path, "services.svg"))).toBe(false);
  await draw("0.2.0");
  expect(existsSync(join(directory.path, "releases.svg"))).toBe(false);
  const services = [1, 1000].map((count) => ({
    services: count,
    agent: { rssAnon: 2 + count / 1000, pss: 25, pageTables: 0.2 },
    ...(count === 1 && { processes: { rssAnon: 2.1, pss: 25, pageTables: 0.2 } }),
  }));
  await draw("0.10.0", { services });
  expect(readTexts(read("services"))).toEqual(
    expect.arrayContaining(["one agent: 3.00 MB", "a process for each: 2.10 MB"]),
  );
  const versions = readTexts(read("releases")).filter((text) => /^\d+\.\d+\.\d+$/.test(text));
  expect(versions).toEqual([...["0.1.0", "0.2.0", "0.10.0"], ...["0.1.0", "0.2.0", "0.10.0"]]);
});

const CHARTS = ["memory", "speed", "services", "releases"];

test.each(CHARTS)("%s can be read on white and on dark", (name) => {
  const svg = read(name);
  // The library puts a white edge around letters unless told otherwise.
  expect(svg.includes("paint-order")).toBe(false);
  const elements = svg.match(/<(?:path|text|rect) [^>]*>/g) ?? [];
  const used = elements
    .filter((element) => !element.includes('stroke-width="0"'))
    .flatMap((element) => [...element.matchAll(/ (?:fill|stroke)="(#[^"]+)"/g)])
    .map(([, color = ""]) => color);
  // What clips is not drawn, and a straight line has no inside.
  const colors = new Set(used.filter((color) => color !== "#000"));
  expect(colors.size).toBeGreaterThan(1);
  const weak = [...colors].filter((color) =>
    BACKGROUNDS.some((background) => contrast(color, background) < 4),
  );
  expect(weak).toEqual([]);
});

test.each([
  ["memory", /^checks, on a logarithmic scale/],
  ["services", /^services of a host, on a logarithmic scale/],
  ["services", /^MB, on a logarithmic scale/],
])("%s says what is logarithmic", (name, pattern) => {
  expect(readTexts(read(name)).filter((text) => pattern.test(text))).toHaveLength(1);
});

test("every bar has its error bar, with its value right of it", () => {
  const values = Object.values(result.subjects).flatMap(({ figures }) =>
    Object.entries(figures).filter(([name]) => /^(cpuMicros|checksPerSecond)/.test(name)),
  );
  const svg = read("speed");
  // A line and two strokes for each, two pixels wide.
  expect(svg.match(/<path [^>]*stroke-width="2"/g)).toHaveLength(3 * values.length);
  const cpu = result.subjects.agent?.figures.cpuMicros32?.median;
  expect(readTexts(svg)).toContain(cpu?.toFixed(1) ?? "");
});

test("the scripts keep to the types of their library", async () => {
  const check = ["bun", "x", "tsc", "--project", "scripts/benchmark/charts"];
  expect(await outcome(check)).toMatchObject({ stdout: "", exitCode: 0 });
});
