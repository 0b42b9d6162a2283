import { type MemoryController, MemoryGroup } from "../lib/cgroup.ts";
import { Disk } from "../lib/disk.ts";
import type { Measurements } from "./figures.ts";
import { launch } from "./launch.ts";
import type { Subject } from "./subjects.ts";

/** Starts per round: they are quick, and differ more among themselves. */
const STARTS = 3;

/** Measures the time from the launch to the first reply, the executable being in the page cache. */
export async function measureStarts(
  measurements: Measurements,
  subjects: readonly Subject[],
  rounds: number,
): Promise<void> {
  for (let start = 0; start < STARTS * rounds; start += 1) {
    for (const subject of subjects.filter(({ listens }) => listens)) {
      await using program = await launch(subject);
      measurements.add(subject.name, "startWarmMs", program.startMs);
    }
  }
}

/** The limits of memory that are tried, in MB. */
const LADDER = [4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96];

/** Milliseconds within which the first reply has to be there, or so many warm starts on a busy machine. */
const DEADLINE = 500;
const WARM_STARTS = 10;

/** How often a limit is tried: on a busy machine one start may be late for another reason. */
const TRIES = 3;

/**
 * Measures the least limit of memory under which the agent starts in time from a disk, one of our
 * own, because what the disk reads ahead counts as the program's memory.
 */
export async function measureColdStart(
  measurements: Measurements,
  agent: Subject,
  controller: MemoryController,
): Promise<void> {
  const warm = measurements.figures("agent").startWarmMs?.median ?? 0;
  const deadline = Math.max(DEADLINE, WARM_STARTS * warm);
  await using disk = await Disk.make();
  disk.setReadAhead(128);
  const file = disk.copy(agent.file ?? "");
  const command = agent.command.map((word) => (word === agent.file ? file : word));
  const startsWithin = async (megabytes: number) => {
    for (let attempt = 1; attempt <= TRIES; attempt += 1) {
      await disk.evict(file);
      using group = new MemoryGroup(controller, megabytes);
      const options = { launcher: group.launcher, deadline };
      await using program = await launch({ ...agent, command }, options).catch(() => undefined);
      if (program) return true;
    }
    return false;
  };
  for (const megabytes of LADDER) {
    if (!(await startsWithin(megabytes))) continue;
    measurements.add("agent", "cold128LimitMB", megabytes);
    return;
  }
  measurements.add("agent", "cold128LimitMB", Number.POSITIVE_INFINITY);
}
