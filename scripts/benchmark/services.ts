import { mkdirSync, writeFileSync } from "node:fs";
import { readCpu, readMemory } from "../lib/proc.ts";
import type { Measurements } from "./figures.ts";
import { launch, type Program } from "./launch.ts";
import { runClient } from "./load.ts";
import { progress } from "./progress.ts";
import type { ServicesMemory, ServicesPoint } from "./result.ts";
import { type Subject, WORK } from "./subjects.ts";

/** How long after the last start memory is read, in milliseconds. */
const SETTLE = 1000;

/** Checks whose CPU time is measured, over 32 connections; of as many services. */
const CHECKS = 20_000;
const NAMED = 100;

/** The most services that are given a process each. */
const PROCESS_LIMIT = 100;

/** Measures what services take: in one agent, and where asked for with a process for each. */
export async function measureServices(
  measurements: Measurements,
  agent: Subject,
  counts: readonly number[],
  { besideProcesses = false } = {},
): Promise<ServicesPoint[]> {
  const points: ServicesPoint[] = [];
  for (const services of counts) {
    progress(`services: ${services}`);
    const one = await measureMemory([withServices(agent, services)]);
    if (services === 100) measurements.add("agent", "services100MB", one.rssAnon);
    if (services === 1000) measurements.add("agent", "services1000MB", one.rssAnon);
    const processes =
      besideProcesses && services <= PROCESS_LIMIT
        ? await measureMemory(Array.from({ length: services }, () => agent))
        : undefined;
    points.push({ services, agent: one, ...(processes && { processes }) });
  }
  return points;
}

/** Measures the CPU time of a check that names a service, and of one to an agent that has none. */
export async function measureNamedChecks(
  measurements: Measurements,
  agent: Subject,
  rounds: number,
): Promise<void> {
  await using plain = await launch(agent);
  await using named = await launch(withServices(agent, NAMED));
  for (let round = 1; round <= rounds; round += 1) {
    progress(`checks that name a service, round ${round} of ${rounds}`);
    measurements.add("agent", "plainCpuMicros", await measureCpu(plain));
    measurements.add("agent", "namedCpuMicros", await measureCpu(named, `web${NAMED / 2}\n`));
  }
}

async function measureCpu(program: Program, sent?: string): Promise<number> {
  const before = readCpu(program.pid);
  const { failed, wrong } = await runClient(program.port, {
    checks: CHECKS,
    connections: 32,
    sent,
  });
  if (failed + wrong > 0) throw new Error(`${failed + wrong} of ${CHECKS} checks failed`);
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
async function measureMemory(subjects: readonly Subject[]): Promise<ServicesMemory> {
  await using programs = new AsyncDisposableStack();
  const pids: number[] = [];
  for (const subject of subjects) pids.push(programs.use(await launch(subject)).pid);
  await Bun.sleep(SETTLE);
  const all = pids.map(readMemory);
  const sum = (key: keyof ServicesMemory) =>
    Math.round(all.reduce((total, memory) => total + memory[key], 0) * 1000) / 1000;
  return { rssAnon: sum("rssAnon"), pss: sum("pss"), pageTables: sum("pageTables") };
}
