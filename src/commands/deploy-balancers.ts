// The load balancers of a service, as a deploy sees them.
import { cut, type DeployAgent, PATIENCE, Problem } from "./deploy-agent.ts";
import type { Plan } from "./deploy-plan.ts";

/** A line of `show pollers`, as far as a deploy needs it. */
interface PollerRow {
  readonly address: string;
  /** Whether it counts as a load balancer; a stranger does not. */
  readonly counts?: boolean;
  /** Whether HAPGENT_POLLERS names it, or its network. */
  readonly isNamed?: boolean;
  /** Seconds between its checks. */
  readonly interval?: number | null;
}

/** The load balancers, as the agent knows them. */
export interface Balancers {
  readonly count: number;
  /** The one that asks least often, and every how many seconds. */
  readonly slowest: { readonly address: string; readonly interval: number } | undefined;
  /** The addresses of those that HAPGENT_POLLERS names. */
  readonly named: ReadonlySet<string>;
}

/** Reads the answer to `show pollers`. */
export function readBalancers(answer: string): Balancers {
  const rows: PollerRow[] = answer.startsWith("[") ? JSON.parse(answer) : [];
  const counting = rows.filter(({ counts }) => counts !== false);
  const slowest = counting
    .flatMap(({ address, interval }) => (interval ? [{ address, interval }] : []))
    .toSorted((one, other) => other.interval - one.interval)[0];
  const named = counting.flatMap(({ isNamed, address }) => (isNamed ? [address] : []));
  return { count: counting.length, slowest, named: new Set(named) };
}

/** Connections that may carry a request: from named load balancers, without names from anybody. */
export function countConnections(peers: readonly string[], { named }: Balancers): number {
  return named.size === 0 ? peers.length : peers.filter((peer) => named.has(peer)).length;
}

/**
 * Waits until every load balancer knows, and returns what the agent says of it. Those that were
 * silent for as long as the plan says are forgotten, also when they fall silent meanwhile.
 *
 * @throws {Problem} when not every one is known to know.
 */
export async function waitForAll(agent: DeployAgent, plan: Plan): Promise<string> {
  const words = ["wait", plan.wait, plan.pollers].filter((word) => word !== undefined);
  const wait = () => agent.ask(words.join(" "), plan.wait + PATIENCE);
  await forgetSilent(agent, plan);
  let answer = await wait();
  if (!answer.startsWith("ok") && (await forgetSilent(agent, plan))) answer = await wait();
  if (!answer.startsWith("ok")) throw new Problem(cut(answer));
  return cut(answer);
}

/** Forgets load balancers that are gone; returns whether there were any. */
async function forgetSilent(agent: DeployAgent, plan: Plan): Promise<boolean> {
  if (plan.forgetSilent === undefined) return false;
  const answer = await agent.ask(`forget silent ${plan.forgetSilent}`);
  return answer.startsWith("ok");
}

/** Whether there is no load balancer at all, which is right where a plan says so. */
export function isNobody(answer: string): boolean {
  return /^no load balancer/.test(answer);
}

/** Whether the agent has started so lately that it may not know every load balancer. */
export function isYoung(answer: string): boolean {
  return /may not be known/.test(answer);
}
