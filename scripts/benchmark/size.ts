import { statSync } from "node:fs";
import type { Measurements } from "./figures.ts";
import { progress } from "./progress.ts";
import type { Subject } from "./subjects.ts";

/** Measures the executables; all that a program has beyond the empty one is its own. */
export async function measureSizes(
  measurements: Measurements,
  subjects: readonly Subject[],
  isCompressed: boolean,
): Promise<void> {
  progress("size of the executables");
  const empty = subjects.find(({ name }) => name === "empty");
  for (const { name, file } of subjects) {
    if (file === undefined || ["selfTuned", "untuned"].includes(name)) continue;
    const { size } = statSync(file);
    measurements.add(name, "binaryMB", size / MEGABYTE);
    if (empty?.file !== undefined && name !== "epoll") {
      measurements.add(name, "binaryOursKB", (size - statSync(empty.file).size) / 1024);
    }
    if (isCompressed && name === "agent") {
      const packed = await Bun.$`zstd -9 -T0 -q -c ${file} | wc -c`.text();
      measurements.add(name, "binaryZstdMB", Number(packed) / MEGABYTE);
    }
  }
}

const MEGABYTE = 1024 * 1024;
