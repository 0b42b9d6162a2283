import { expect } from "bun:test";
import type { AgentProcess } from "../../scripts/lib/agent.ts";
import { Load } from "../../scripts/lib/load.ts";
import { readUsage } from "../../scripts/lib/proc.ts";
import { until } from "../../scripts/lib/until.ts";
import { times } from "./scale.ts";

/** Rounds of which the highest memory is taken: what is garbage comes and goes. */
const ROUNDS = times(10, 3);

/** Checks after a round: idle, the agent collects no garbage. Their line names no service. */
const CHECKS = 500;

/** How long what the agent holds may go on to grow, in milliseconds. */
const DEADLINE_MS = 150_000;

/**
 * Lets the same happen to an agent over and over, until what it holds grows no more: until in some
 * rounds its memory has come no higher than in as many before them. One that leaks comes higher each
 * time. How much that may be in the end, in bytes, is what `bun run soak` knows.
 */
export async function holdsNoMore(
  agent: AgentProcess,
  round: () => Promise<unknown>,
): Promise<void> {
  const { descriptors, threads } = readUsage(agent.pid);
  const isAtRest = () => readUsage(agent.pid).descriptors === descriptors;
  /** The highest that its memory comes in some rounds. */
  const play = async () => {
    let peak = 0;
    for (let i = 0; i < ROUNDS; i += 1) {
      await round();
      await new Load(agent.port, { checks: CHECKS, payloads: ["\n"] }).finish();
      peak = Math.max(peak, readUsage(agent.pid).memory);
    }
    await until("what was opened is closed", isAtRest);
    return peak;
  };
  let [before, now] = [await play(), await play()];
  const end = performance.now() + DEADLINE_MS;
  while (now > before) {
    if (performance.now() > end) throw new Error(`its memory still grows, to ${now} kB`);
    [before, now] = [now, await play()];
  }
  expect(readUsage(agent.pid).threads).toBe(threads);
}
