import { mkdirSync, writeFileSync } from "node:fs";
import { readMemory } from "../lib/proc.ts";
import type { FigureName, Measurements } from "./figures.ts";
import { launch } from "./launch.ts";
import { type Subject, WORK } from "./subjects.ts";

/** How long after a start memory is read, in milliseconds. */
const SETTLE = 1000;

/** Measures what an agent takes with what is optional: a control socket, or services. */
export async function measureOptions(measurements: Measurements, agent: Subject): Promise<void> {
  const measure = async (figure: FigureName, env: Record<string, string>) => {
    await using program = await launch({ ...agent, env: { ...agent.env, ...env } });
    await Bun.sleep(SETTLE);
    measurements.add("agent", figure, readMemory(program.pid));
  };
  await measure("socketMB", { HAPGENT_SOCKET: `${WORK}hapgent.sock` });
  for (const services of [100, 1000] as const) {
    const directory = `${WORK}services-${services}`;
    mkdirSync(directory, { recursive: true });
    for (let service = 1; service <= services; service += 1) {
      writeFileSync(`${directory}/web${service}.json`, '{"status": "UP", "weight": 75}\n');
    }
    await measure(`services${services}MB`, { HAPGENT_SERVICES: directory });
  }
}
