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
    measurements.add("agent", `services${services}MB`, readMemory(program.pid));
  }
}
