import { mkdirSync, writeFileSync } from "node:fs";
import { type Memory, readCpu, readMemory } from "../lib/proc.ts";
import type { Measurements } from "./figures.ts";
import { launch, type Program } from "./launch.ts";
import { runClient } from "./load.ts";
import { type Subject, WORK } from "./subjects.ts";

/** How long after the last start memory is read, in milliseconds. */
const SETTLE = 1000;

/** Checks whose CPU time is measured, over 32 connections. */
const CHECKS = 20_000;

/** Measures what services take in one agent. */
export async function measureServices(measurements: Measurements, agent: Subject): Promise<void> {
  for (const services of [100, 1000] as const) {
    const { rssAnon } = await measureMemory([withServices(agent, services)]);
    measurements.add("agent", `services${services}MB`, rssAnon);
  }
}

/** Measures what 100 services take with a process for each. */
export async function measureProcesses(
  measurements: Measurements,
  subjects: readonly Subject[],
): Promise<void> {
  for (const subject of subjects) {
    const sum = await measureMemory(Array.from({ length: 100 }, () => subject));
    measurements.add(subject.name, "processes100MB", sum.rssAnon);
    measurements.add(subject.name, "processes100PssMB", sum.pss);
    measurements.add(subject.name, "processes100TablesMB", sum.pageTables);
  }
}

/** Measures the CPU time of a check that names a service, and of one to an agent that has none. */
export async function measureNamedChecks(
  measurements: Measurements,
  agent: Subject,
  rounds: number,
): Promise<void> {
  await using plain = await launch(agent);
  await using named = await launch(withServices(agent, 100));
  for (let round = 1; round <= rounds; round += 1) {
    measurements.add("agent", "plainCpuMicros", await measureCpu(plain));
    measurements.add("agent", "namedCpuMicros", await measureCpu(named, "web50\n"));
  }
}

async function measureCpu(program: Program, sent = ""): Promise<number> {
  const before = readCpu(program.pid);
  const load = await runClient(program.port, { checks: CHECKS, connections: 32, sent });
  if (load.failed + load.wrong > 0) throw new Error(`checks failed: ${JSON.stringify(load)}`);
  return ((readCpu(program.pid) - before) / CHECKS) * 1e6;
}

/** The agent with so many services, whose files are made. */
function withServices(agent: Subject, services: number): Subject {
  const directory = `${WORK}services-${services}`;
  mkdirSync(directory, { recursive: true });
  for (let service = 1; service <= services; service += 1) {
    writeFileSync(`${directory}/web${service}.json`, '{"status": "UP", "weight": 75}\n');
  }
  return { ...agent, env: { ...agent.env, HAPGENT_SERVICES: directory } };
}

/** What all these programs hold together while they run at the same time. */
async function measureMemory(subjects: readonly Subject[]): Promise<Memory> {
  await using programs = new AsyncDisposableStack();
  const pids: number[] = [];
  for (const subject of subjects) pids.push(programs.use(await launch(subject)).pid);
  await Bun.sleep(SETTLE);
  const all = pids.map(readMemory);
  const sum = (key: keyof Memory) => all.reduce((total, memory) => total + memory[key], 0);
  return {
    rssAnon: sum("rssAnon"),
    rss: sum("rss"),
    pss: sum("pss"),
    pageTables: sum("pageTables"),
  };
}
