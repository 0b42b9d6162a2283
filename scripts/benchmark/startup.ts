import { evict } from "../lib/page-cache.ts";
import { readMemory } from "../lib/proc.ts";
import type { Measurements } from "./figures.ts";
import { launch } from "./launch.ts";
import { progress } from "./progress.ts";
import type { Subject } from "./subjects.ts";

/** Starts from the page cache per round: they are quick, and differ more among themselves. */
const WARM_STARTS = 3;

/** How long after its first reply a program's memory is read, in milliseconds. */
const SETTLE = 300;

/**
 * Measures the time from the launch to the first reply, and what is resident then: how much of the
 * executable that is depends on the page cache, so it is read after a start that found nothing
 * there.
 */
export async function measureStarts(
  measurements: Measurements,
  subjects: readonly Subject[],
  rounds: number,
): Promise<void> {
  for (let round = 1; round <= rounds; round += 1) {
    progress(`start, round ${round} of ${rounds}`);
    for (const subject of subjects) {
      await measureColdStart(measurements, subject);
      for (let start = 0; start < WARM_STARTS && subject.listens; start += 1) {
        await using program = await launch(subject);
        measurements.add(subject.name, "startWarmMs", program.startMs);
      }
    }
  }
}

async function measureColdStart(measurements: Measurements, subject: Subject): Promise<void> {
  if (subject.file !== undefined) await evict(subject.file);
  await using program = await launch(subject);
  if (subject.listens && subject.file !== undefined) {
    measurements.add(subject.name, "startColdMs", program.startMs);
  }
  // A program that never says that it is ready gets the time that reading from the disk takes.
  await Bun.sleep(subject.listens ? SETTLE : 3 * SETTLE);
  const { rss, pss } = readMemory(program.pid);
  measurements.add(subject.name, "idleRssMB", rss);
  measurements.add(subject.name, "idlePssMB", pss);
}
