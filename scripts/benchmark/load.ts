import { countSwitches, readCpu, readMachineCpu, readMemory, readUsage } from "../lib/proc.ts";
import type { CONNECTIONS, Measurements } from "./figures.ts";
import { launch, type Program, pin } from "./launch.ts";
import { progress } from "./progress.ts";
import { type Subject, WORK } from "./subjects.ts";

type Connections = (typeof CONNECTIONS)[number];

/** A part of the load; between two of them memory is read. */
interface Step {
  readonly checks: number;
  readonly connections: Connections;
  /** Whether it is long enough to say something about speed. */
  readonly isTimed: boolean;
}

/** 100,000 checks. */
const STEPS: readonly Step[] = [
  { checks: 1000, connections: 32, isTimed: false },
  { checks: 9000, connections: 32, isTimed: false },
  { checks: 10_000, connections: 1, isTimed: true },
  { checks: 20_000, connections: 256, isTimed: true },
  { checks: 60_000, connections: 32, isTimed: true },
];

/** 1,000,000 checks. */
const MILLION: readonly Step[] = Array.from({ length: 10 }, () => {
  return { checks: 100_000, connections: 32, isTimed: false };
});

/** Garbage comes and goes: what stays is the least of so many readings, each after a small load. */
const READINGS = 5;
const BETWEEN: Step = { checks: 1000, connections: 32, isTimed: false };

/** Where the server and the client run: each has a core of its own, if there are two. */
const SERVER_CPU = 0;
const CLIENT_CPU = 1;

/**
 * How long a program rests after its load, and when in that time its wakeups begin to count, in ms.
 */
const REST = 10_000;
const REST_SETTLE = 1000;

/** What load.c prints; latencies in microseconds. */
interface Load {
  checks: number;
  /** No reply: refused, reset, or not within 5 s. */
  failed: number;
  /** A reply that differs from the first one. */
  wrong: number;
  seconds: number;
  cpuSeconds: number;
  p50: number;
  p99: number;
  p999: number;
}

/** Measures speed, CPU time and memory under 100,000 checks, each round in new processes. */
export async function measureLoads(
  measurements: Measurements,
  subjects: readonly Subject[],
  rounds: number,
): Promise<void> {
  // A program that has had its load rests while the next one has its own.
  const rests: Promise<void>[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    progress(`load, round ${round} of ${rounds}`);
    for (const subject of subjects) {
      const program = await launch(subject);
      const growth = await runSteps(measurements, subject, program, STEPS);
      const { rssAnon, rss, pss } = readMemory(program.pid);
      const add = measurements.add.bind(measurements, subject.name);
      add("loadedRssAnonMB", rssAnon);
      add("loadedGrowthMB", growth);
      add("loadedRssMB", rss);
      add("loadedPssMB", pss);
      add("loadedThreads", readUsage(program.pid).threads);
      rests.push(rest(measurements, subject, program));
    }
  }
  await Promise.all(rests);
}

/** Measures a program's memory under 1,000,000 checks. */
export async function measureMillion(measurements: Measurements, subject: Subject): Promise<void> {
  progress("load, 1,000,000 checks");
  await using program = await launch(subject);
  const growth = await runSteps(measurements, subject, program, MILLION);
  measurements.add(subject.name, "millionGrowthMB", growth);
  measurements.add(subject.name, "millionRssAnonMB", readMemory(program.pid).rssAnon);
  await Bun.sleep(REST);
  measurements.add(subject.name, "millionLaterRssAnonMB", readMemory(program.pid).rssAnon);
}

/** Puts a program under load, and returns by how much its private memory grew for good, in MB. */
async function runSteps(
  measurements: Measurements,
  subject: Subject,
  program: Program,
  steps: readonly Step[],
): Promise<number> {
  const add = measurements.add.bind(measurements, subject.name);
  pin(program.pid, SERVER_CPU);
  const before = readMemory(program.pid).rssAnon;
  let [now, checks, failed] = [before, 0, 0];
  measurements.addMemory(subject.name, 0, before);
  for (const step of steps) {
    const { connections } = step;
    const [cpuBefore, machineBefore] = [readCpu(program.pid), readMachineCpu()];
    const load = await runClient(program.port, step);
    const cpu = readCpu(program.pid) - cpuBefore;
    const others = readMachineCpu() - machineBefore - cpu - load.cpuSeconds;
    failed += load.failed + load.wrong;
    now = readMemory(program.pid).rssAnon;
    checks += step.checks;
    measurements.addMemory(subject.name, checks, now);
    if (!step.isTimed) continue;
    add(`cpuMicros${connections}`, (cpu / load.checks) * 1e6);
    add(`checksPerSecond${connections}`, load.checks / load.seconds);
    add(`serverBusy${connections}`, (cpu / load.seconds) * 100);
    add(`clientBusy${connections}`, (load.cpuSeconds / load.seconds) * 100);
    add(`othersBusy${connections}`, Math.max(0, (others / load.seconds) * 100));
    add(`p50Micros${connections}`, load.p50);
    add(`p99Micros${connections}`, load.p99);
    add(`p999Micros${connections}`, load.p999);
  }
  let least = now;
  for (let reading = 1; reading <= READINGS; reading += 1) {
    const load = await runClient(program.port, BETWEEN);
    failed += load.failed + load.wrong;
    least = Math.min(least, readMemory(program.pid).rssAnon);
  }
  add("failedChecks", failed);
  return least - before;
}

/** Makes so many checks over so many connections; each sends a text first, if there is one. */
export async function runClient(
  port: number,
  { checks, connections, sent }: { checks: number; connections: number; sent?: string | undefined },
): Promise<Load> {
  const cpu = navigator.hardwareConcurrency > 1 ? String(CLIENT_CPU) : "-";
  const numbers = [port, checks, connections].map(String);
  const command = [`${WORK}load`, ...numbers, cpu, ...(sent === undefined ? [] : [sent])];
  const client = Bun.spawn(command, { stdio: ["ignore", "pipe", "inherit"] });
  const text = await client.stdout.text();
  if ((await client.exited) !== 0) throw new Error(`the client did not finish ${checks} checks`);
  return JSON.parse(text) as Load;
}

/** Lets a program rest after its load, measures it again, and ends it. */
async function rest(measurements: Measurements, subject: Subject, program: Program): Promise<void> {
  await using resting = program;
  await Bun.sleep(REST_SETTLE);
  const switches = countSwitches(resting.pid);
  await Bun.sleep(REST - REST_SETTLE);
  const add = measurements.add.bind(measurements, subject.name);
  add("laterSwitches", countSwitches(resting.pid) - switches);
  add("laterRssAnonMB", readMemory(resting.pid).rssAnon);
}
