import { mkdirSync, writeFileSync } from "node:fs";
import { readMemory } from "../lib/proc.ts";
import type { Measurements } from "./figures.ts";
import { launch } from "./launch.ts";
import { type Subject, WORK } from "./subjects.ts";

/** How long after the last start memory is read, in milliseconds. */
const SETTLE = 1000;

/** Measures what services take in one agent. */
export async function measureServices(measurements: Measurements, agent: Subject): Promise<void> {
  for (const services of [100, 1000] as const) {
    const directory = `${WORK}services-${services}`;
    mkdirSync(directory, { recursive: true });
    for (let service = 1; service <= services; service += 1) {
      writeFileSync(`${directory}/web${service}.json`, '{"status": "UP", "weight": 75}\n');
    }
    const env = { ...agent.env, HAPGENT_SERVICES: directory };
    await using program = await launch({ ...agent, env });
    await Bun.sleep(SETTLE);
    measurements.add("agent", `services${services}MB`, readMemory(program.pid).rssAnon);
  }
}

/** Measures what 100 services take with a process for each, all at the same time. */
export async function measureProcesses(
  measurements: Measurements,
  subject: Subject,
): Promise<void> {
  await using programs = new AsyncDisposableStack();
  const pids: number[] = [];
  while (pids.length < 100) pids.push(programs.use(await launch(subject)).pid);
  await Bun.sleep(SETTLE);
  const all = pids.map(readMemory);
  const sum = (key: keyof (typeof all)[number]) =>
    all.reduce((total, memory) => total + memory[key], 0);
  measurements.add(subject.name, "processes100MB", sum("rssAnon"));
  measurements.add(subject.name, "processes100PssMB", sum("pss"));
  measurements.add(subject.name, "processes100TablesMB", sum("pageTables"));
}
