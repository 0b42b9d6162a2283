import { readCpu, readMemory, readUsage } from "../lib/proc.ts";
import { say } from "../lib/steps.ts";
import type { Measurements } from "./figures.ts";
import { launch, type Program, pin } from "./launch.ts";
import { type Subject, WORK } from "./subjects.ts";

/** A part of the load; between two of them memory is read. */
interface Step {
  readonly checks: number;
  readonly connections: number;
  /** Whether it is long enough to say something about speed. */
  readonly isTimed?: true;
}

/** 100,000 checks. */
const STEPS: readonly Step[] = [
  { checks: 1000, connections: 32 },
  { checks: 9000, connections: 32 },
  { checks: 20_000, connections: 256 },
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
const CLIENT_CPU = Math.min(1, navigator.hardwareConcurrency - 1);

/** What load.c prints. */
interface Load {
  /** No reply: refused, reset, or not within 5 s; or one that differs from the first one. */
  failed: number;
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
      add("loadedGrowthMB", await runSteps(add, program, STEPS));
      add("loadedRssAnonMB", readMemory(program.pid));
      add("loadedThreads", readUsage(program.pid).threads);
    }
  }
}

/** Measures a program's memory under 1,000,000 checks. */
export async function measureMillion(measurements: Measurements, subject: Subject): Promise<void> {
  await using program = await launch(subject);
  const add = measurements.add.bind(measurements, subject.name);
  add("millionGrowthMB", await runSteps(add, program, MILLION));
}

/** Puts a program under load, and returns by how much its private memory grew for good, in MB. */
async function runSteps(
  add: (...measured: [of: Parameters<Measurements["add"]>[1], value: number]) => void,
  program: Program,
  steps: readonly Step[],
): Promise<number> {
  pin(program.pid, SERVER_CPU);
  const before = readMemory(program.pid);
  let [checks, failed] = [0, 0];
  add(0, before);
  for (const step of steps) {
    const cpuBefore = readCpu(program.pid);
    const load = await runClient(program.port, step);
    const cpu = readCpu(program.pid) - cpuBefore;
    failed += load.failed;
    checks += step.checks;
    add(checks, readMemory(program.pid));
    if (!step.isTimed) continue;
    add("cpuMicros32", (cpu / step.checks) * 1e6);
    add("checksPerSecond32", step.checks / load.seconds);
    add("clientBusy32", (load.cpuSeconds / load.seconds) * 100);
  }
  let least = readMemory(program.pid);
  for (let reading = 1; reading <= READINGS; reading += 1) {
    failed += (await runClient(program.port, BETWEEN)).failed;
    least = Math.min(least, readMemory(program.pid));
  }
  add("failedChecks", failed);
  return least - before;
}

/** Makes so many checks over so many connections. */
async function runClient(port: number, { checks, connections }: Step): Promise<Load> {
  const numbers = [port, checks, connections].map(String);
  const command = ["taskset", "--cpu-list", String(CLIENT_CPU), `${WORK}load`, ...numbers];
  const client = Bun.spawn(command, { stdio: ["ignore", "pipe", "inherit"] });
  const text = await client.stdout.text();
  if ((await client.exited) !== 0) throw new Error(`the client did not finish ${checks} checks`);
  return JSON.parse(text) as Load;
}
