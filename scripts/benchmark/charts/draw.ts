import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Result } from "../result.ts";
import { drawMemory } from "./memory.ts";
import { drawReleases } from "./releases.ts";
import { drawServices } from "./services.ts";
import { drawSpeed } from "./speed.ts";

/** How many releases make a chart of releases: two points show no course. */
const LEAST_RELEASES = 3;

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error("expected the path of a result");
drawCharts(file);

/** Draws the charts of a result, and that of all releases, into the directory of its file. */
function drawCharts(path: string): void {
  const directory = dirname(path);
  const result = readResult(path);
  const releases = readReleases(directory);
  const charts = {
    memory: drawMemory(result),
    speed: drawSpeed(result),
    services: result.services && drawServices(result.services),
    releases: releases.length < LEAST_RELEASES ? undefined : drawReleases(releases),
  };
  for (const [name, svg] of Object.entries(charts)) {
    if (svg !== undefined) writeFileSync(join(directory, `${name}.svg`), svg);
  }
}

/** The results of releases in a directory, the oldest first. */
function readReleases(directory: string): Result[] {
  return readdirSync(directory)
    .filter((name) => /^\d+\.\d+\.\d+\.json$/.test(name))
    .toSorted((a, b) => Bun.semver.order(basename(a, ".json"), basename(b, ".json")))
    .map((name) => readResult(join(directory, name)));
}

function readResult(path: string): Result {
  return JSON.parse(readFileSync(path, "utf8"));
}
