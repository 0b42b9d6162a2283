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

/** How often such rounds may come higher than those before them. */
const RECORDS = 10;

/**
 * Lets the same happen to an agent over and over, until what it holds grows no more: until in some
 * rounds its memory has come no higher than in as many before them. One that leaks comes higher each
 * time. How much that may be in the end, in bytes, is what `bun run soak` knows.
 */
export async function holdsNoMore(
  agent: AgentProcess,
  round: () => Promise<unknown>,
): Promise<void> {
  const { descriptors } = readUsage(agent.pid);
  const isAtRest = () => readUsage(agent.pid).descriptors <= descriptors;
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
  let before = await play();
  const { threads } = readUsage(agent.pid);
  let now = await play();
  for (let i = 0; now > before && i < RECORDS; i += 1) [before, now] = [now, await play()];
  expect(now, "its memory still grows").toBeLessThanOrEqual(before);
  expect(readUsage(agent.pid).threads).toBeLessThanOrEqual(threads);
}
