// The load balancers of a service, as a deploy sees them.
import { cut, type DeployAgent, PATIENCE, Problem } from "./deploy-agent.ts";
import type { Plan } from "./deploy-plan.ts";

/** A load balancer that asks, and every how many seconds. */
export interface Balancer {
  readonly address: string;
  readonly interval: number;
}

/**
 * The load balancer that asks least often, by the answer to `show pollers`; one that is new may be
 * a person, who asks twice.
 */
export function findSlowest(answer: string): Balancer | undefined {
  if (!answer.startsWith("[")) return undefined;
  const rows: { address: string; counts: boolean; interval: number | null; why: string }[] =
    JSON.parse(answer);
  return rows
    .flatMap(({ address, counts, interval, why }) =>
      counts && interval && why !== "new"
        ? [{ address, interval: Math.round(interval * 10) / 10 }]
        : [],
    )
    .toSorted((one, other) => other.interval - one.interval)[0];
}

/**
 * Waits until every load balancer knows, and returns what the agent says of it. Those that were
 * silent for as long as the plan says are forgotten, also when they fall silent meanwhile.
 *
 * @throws {Problem} when not every one is known to know.
 */
export async function waitForAll(agent: DeployAgent, plan: Plan): Promise<string> {
  const wait = () => agent.ask(formatWait(plan), plan.wait + PATIENCE);
  await forgetSilent(agent, plan);
  let answer = await wait();
  if (!answer.startsWith("ok") && (await forgetSilent(agent, plan))) answer = await wait();
  if (!answer.startsWith("ok")) throw new Problem(cut(answer));
  return cut(answer);
}

/** The control command that waits for every load balancer. */
export function formatWait({ wait, pollers }: Plan): string {
  return pollers === undefined ? `wait ${wait}` : `wait ${wait} ${pollers}`;
}

/** Forgets load balancers that are gone; returns whether there were any. */
async function forgetSilent(agent: DeployAgent, plan: Plan): Promise<boolean> {
  if (plan.forgetSilent === undefined) return false;
  const answer = await agent.ask(`forget silent ${plan.forgetSilent}`);
  return answer.startsWith("ok") && !answer.startsWith("ok forgotten: 0 ");
}

/** Whether there is no load balancer at all, which is right where a plan says so. */
export function isNobody(answer: string): boolean {
  return /; no load balancer has asked/.test(answer);
}

/** Whether the agent has started so lately that it may not know every load balancer. */
export function isYoung(answer: string): boolean {
  return /may not be known/.test(answer);
}
