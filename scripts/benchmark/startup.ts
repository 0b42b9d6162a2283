import type { Measurements } from "./figures.ts";
import { launch } from "./launch.ts";
import { progress } from "./progress.ts";
import type { Subject } from "./subjects.ts";

/** Starts per round: they are quick, and differ more among themselves. */
const STARTS = 3;

/** Measures the time from the launch to the first reply, the executable being in the page cache. */
export async function measureStarts(
  measurements: Measurements,
  subjects: readonly Subject[],
  rounds: number,
): Promise<void> {
  for (let round = 1; round <= rounds; round += 1) {
    progress(`start, round ${round} of ${rounds}`);
    for (const subject of subjects.filter(({ listens }) => listens)) {
      for (let start = 0; start < STARTS; start += 1) {
        await using program = await launch(subject);
        measurements.add(subject.name, "startWarmMs", program.startMs);
      }
    }
  }
}
