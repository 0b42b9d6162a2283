import { type MemoryController, MemoryGroup } from "../lib/cgroup.ts";
import { Disk } from "../lib/disk.ts";
import { readMemory } from "../lib/proc.ts";
import type { Measurements } from "./figures.ts";
import { launch } from "./launch.ts";
import { progress } from "./progress.ts";
import type { Subject } from "./subjects.ts";

/** Read-ahead of the disk, in KB: the kernel's default, and that of tuned's throughput profile. */
const READ_AHEAD = [128, 4096] as const;

/** The limits that are tried, in MB; the last one limits nothing. */
const LADDER = [4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 512];
const UNLIMITED = 512;

/** Milliseconds from the launch within which the first reply has to be there. */
const DEADLINE = 500;

/** How often a limit is tried: on a busy machine one start may be late for another reason. */
const TRIES = 3;

/** How long after the first reply memory is read, in milliseconds. */
const SETTLE = 300;

/**
 * Measures starts of programs whose executable is on the disk only: a disk of our own, because what
 * the disk reads ahead counts as the program's memory.
 */
export async function measureColdStarts(
  measurements: Measurements,
  subjects: readonly Subject[],
  rounds: number,
  controller: MemoryController,
): Promise<void> {
  await using disk = await Disk.make();
  for (const subject of subjects) {
    if (subject.file === undefined) continue;
    const file = disk.copy(subject.file);
    const command = subject.command.map((word) => (word === subject.file ? file : word));
    const cold = { disk, controller, file, subject: { ...subject, command } };
    for (const readAhead of READ_AHEAD) {
      progress(`cold start, ${readAhead} KB read-ahead: ${subject.title}`);
      disk.setReadAhead(readAhead);
      for (let round = 1; round <= rounds; round += 1) {
        await measureStart(measurements, cold, readAhead);
      }
      if (!subject.listens) continue;
      measurements.add(subject.name, `cold${readAhead}LimitMB`, await findLeast(cold));
    }
  }
}

/** A program that is started from the disk. */
interface Cold {
  readonly disk: Disk;
  readonly controller: MemoryController;
  /** Its executable there. */
  readonly file: string;
  readonly subject: Subject;
}

async function measureStart(
  measurements: Measurements,
  { disk, controller, file, subject }: Cold,
  readAhead: (typeof READ_AHEAD)[number],
): Promise<void> {
  await disk.evict(file);
  using group = new MemoryGroup(controller, UNLIMITED);
  await using program = await launch(subject, { launcher: group.launcher });
  const add = measurements.add.bind(measurements, subject.name);
  if (subject.listens) add(`cold${readAhead}Ms`, program.startMs);
  // A program that never says that it is ready gets the time that reading from the disk takes.
  await Bun.sleep(subject.listens ? SETTLE : 3 * SETTLE);
  add(`cold${readAhead}MB`, group.usage / 2 ** 20);
  if (readAhead !== 128) return;
  const { rss, pss } = readMemory(program.pid);
  add("idleRssMB", rss);
  add("idlePssMB", pss);
}

/** The least limit under which a program starts in time; infinite, when none is enough. */
async function findLeast(cold: Cold): Promise<number> {
  let [low, high] = [0, LADDER.length];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (await startsWithin(LADDER[middle] ?? 0, cold)) high = middle;
    else low = middle + 1;
  }
  return LADDER[low] ?? Number.POSITIVE_INFINITY;
}

async function startsWithin(megabytes: number, cold: Cold): Promise<boolean> {
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    await cold.disk.evict(cold.file);
    using group = new MemoryGroup(cold.controller, megabytes);
    try {
      await using _ = await launch(cold.subject, { launcher: group.launcher, deadline: DEADLINE });
      return true;
    } catch {
      // Too late: then once more, or a larger limit.
    }
  }
  return false;
}
