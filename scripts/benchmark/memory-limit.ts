import { type MemoryController, MemoryGroup } from "../lib/cgroup.ts";
import { evict } from "../lib/page-cache.ts";
import type { Measurements } from "./figures.ts";
import { launch } from "./launch.ts";
import { progress } from "./progress.ts";
import type { Subject } from "./subjects.ts";

/** The limits that are tried, in MB. */
const LADDER = [
  1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 128,
];

/** Within so many milliseconds it must have given its first reply. */
const DEADLINE = 1000;

/**
 * Finds the smallest limit of memory under which a program starts. The page cache that it fills
 * counts against the limit: with the binary there already it needs little, read from the disk by
 * itself much more.
 */
export async function measureLimits(
  measurements: Measurements,
  subjects: readonly Subject[],
  controller: MemoryController,
): Promise<void> {
  for (const subject of subjects) {
    const { name, file } = subject;
    if (file === undefined) continue;
    progress(`least memory limit: ${subject.title}`);

    // Read by us, the pages are charged to our own group.
    await evict(file);
    await Bun.file(file).bytes();
    const starts = async (megabytes: number) => {
      using group = new MemoryGroup(controller, megabytes);
      try {
        await using _ = await launch(subject, { launcher: group.launcher, deadline: DEADLINE });
        return true;
      } catch {
        return false;
      }
    };
    measurements.add(name, "limitWarmMB", await findLeast(starts));
    const startsCold = async (megabytes: number) => {
      await evict(file);
      return await starts(megabytes);
    };
    measurements.add(name, "limitColdMB", await findLeast(startsCold));
  }
}

/** The least step of the ladder that is enough; infinite, when none is. */
async function findLeast(isEnough: (megabytes: number) => Promise<boolean>): Promise<number> {
  let [low, high] = [0, LADDER.length];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (await isEnough(LADDER[middle] ?? 0)) high = middle;
    else low = middle + 1;
  }
  return LADDER[low] ?? Number.POSITIVE_INFINITY;
}
