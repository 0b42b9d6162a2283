import { readCpu, readMemory, readUsage } from "../lib/proc.ts";
import { say } from "../lib/steps.ts";
import type { Connections, Measurements } from "./figures.ts";
import { launch, type Program, pin } from "./launch.ts";
import { type Subject, WORK } from "./subjects.ts";

/** A part of the load; between two of them memory is read. */
interface Step {
  readonly checks: number;
  readonly connections: Connections;
  /** Whether it is long enough to say something about speed. */
  readonly isTimed?: true;
}

/** 100,000 checks. */
const STEPS: readonly Step[] = [
  { checks: 1000, connections: 32 },
  { checks: 9000, connections: 32 },
  { checks: 20_000, connections: 256, isTimed: true },
  { checks: 70_000, connections: 32, isTimed: true },
];

/** 1,000,000 checks. */
const MILLION: readonly Step[] = Array.from({ length: 10 }, () => {
  return { checks: 100_000, connections: 32 };
});

/** Garbage comes and goes: what stays is the least of so many readings, each after a small load. */
const READINGS = 5;
const BETWEEN: Step = { checks: 1000, connections: 32 };

/** Where the server and the client run: each has a core of its own, if there are two. */
const SERVER_CPU = 0;
const CLIENT_CPU = 1;

/** What load.c prints. */
interface Load {
  checks: number;
  /** No reply: refused, reset, or not within 5 s. */
  failed: number;
  /** A reply that differs from the first one. */
  wrong: number;
  seconds: number;
  cpuSeconds: number;
}

/** Measures speed, CPU time and memory under 100,000 checks, each round in new processes. */
export async function measureLoads(
  measurements: Measurements,
  subjects: readonly Subject[],
  rounds: number,
): Promise<void> {
  for (let round = 1; round <= rounds; round += 1) {
    say(`load, round ${round} of ${rounds}`);
    for (const subject of subjects) {
      await using program = await launch(subject);
      const add = measurements.add.bind(measurements, subject.name);
      add("loadedGrowthMB", await runSteps(measurements, subject, program, STEPS));
      add("loadedRssAnonMB", readMemory(program.pid).rssAnon);
      add("loadedThreads", readUsage(program.pid).threads);
    }
  }
}

/** Measures a program's memory under 1,000,000 checks. */
export async function measureMillion(measurements: Measurements, subject: Subject): Promise<void> {
  await using program = await launch(subject);
  const growth = await runSteps(measurements, subject, program, MILLION);
  measurements.add(subject.name, "millionGrowthMB", growth);
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
    const cpuBefore = readCpu(program.pid);
    const load = await runClient(program.port, step);
    const cpu = readCpu(program.pid) - cpuBefore;
    failed += load.failed + load.wrong;
    now = readMemory(program.pid).rssAnon;
    checks += step.checks;
    measurements.addMemory(subject.name, checks, now);
    if (!step.isTimed) continue;
    add(`cpuMicros${connections}`, (cpu / load.checks) * 1e6);
    add(`checksPerSecond${connections}`, load.checks / load.seconds);
    add(`clientBusy${connections}`, (load.cpuSeconds / load.seconds) * 100);
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
  { checks, connections, sent = "" }: { checks: number; connections: Connections; sent?: string },
): Promise<Load> {
  const pinned =
    navigator.hardwareConcurrency > 1 ? ["taskset", "--cpu-list", String(CLIENT_CPU)] : [];
  const numbers = [port, checks, connections].map(String);
  const client = Bun.spawn([...pinned, `${WORK}load`, ...numbers, sent], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const text = await client.stdout.text();
  if ((await client.exited) !== 0) throw new Error(`the client did not finish ${checks} checks`);
  return JSON.parse(text) as Load;
}
