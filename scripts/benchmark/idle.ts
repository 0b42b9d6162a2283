import { countSwitches, readUsage } from "../lib/proc.ts";
import type { Measurements } from "./figures.ts";
import { launch, type Program } from "./launch.ts";
import type { Subject } from "./subjects.ts";

/**
 * How long after the start the wakeups count, and for how long they are counted, in milliseconds.
 */
const SETTLE = 5000;
const WATCH = 20_000;

/**
 * Measures memory, threads and wakeups of programs that nobody asks, all of them at the same time.
 */
export async function measureIdle(
  measurements: Measurements,
  subjects: readonly Subject[],
  instances: number,
): Promise<void> {
  await using programs = new AsyncDisposableStack();
  const running: { subject: Subject; program: Program; switches: number }[] = [];
  for (let instance = 0; instance < instances; instance += 1) {
    for (const subject of subjects) {
      running.push({ subject, program: programs.use(await launch(subject)), switches: 0 });
    }
  }
  await Bun.sleep(SETTLE);
  for (const entry of running) entry.switches = countSwitches(entry.program.pid);
  await Bun.sleep(WATCH);
  for (const { subject, program, switches } of running) {
    const add = measurements.add.bind(measurements, subject.name);
    const { memory, resident, threads } = readUsage(program.pid);
    add("idleSwitches", countSwitches(program.pid) - switches);
    add("idleThreads", threads);
    add("idleRssAnonMB", memory / 1024);
    add("idleRssMB", resident / 1024);
  }
}
