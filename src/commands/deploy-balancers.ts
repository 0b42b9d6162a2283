// The load balancers of a service, as a deploy sees them.
import { suggestTime, YOUNG_MS } from "../controls.ts";
import { cut, type DeployAgent, Problem } from "./deploy-agent.ts";
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
  const [slowest] = rows
    .filter(({ counts, why }) => counts && why !== "new")
    .map(({ address, interval }) => ({ address, interval: Math.round(Number(interval) * 10) / 10 }))
    .toSorted((one, other) => other.interval - one.interval);
  return slowest?.interval ? slowest : undefined;
}

/**
 * Waits until every load balancer knows, and returns what the agent says of it. Those that were
 * silent for as long as the plan says are forgotten, also when they fall silent meanwhile.
 *
 * @throws {Problem} when not every one is known to know.
 */
export async function waitForAll(agent: DeployAgent): Promise<string> {
  const wait = () => agent.ask(formatWait(agent.plan));
  await forgetSilent(agent);
  let answer = await wait();
  if (!answer.startsWith("ok") && (await forgetSilent(agent))) answer = await wait();
  if (!answer.startsWith("ok")) throw new Problem(nameOptions(cut(answer)));
  return cut(answer);
}

/** The agent names forms of `wait`; who types a deploy has an option for each. */
function nameOptions(problem: string): string {
  return problem
    .replace("`wait SECONDS 0`", "`--pollers 0`")
    .replace("`wait SECONDS COUNT`", "`--pollers N`")
    .replace(/`wait (\d+)`/, "`--wait $1`");
}

/** The control command that waits for every load balancer. */
export function formatWait({ wait, pollers }: Plan): string {
  return pollers === undefined ? `wait ${wait}` : `wait ${wait} ${pollers}`;
}

/** Forgets load balancers that are gone; returns whether there were any. */
async function forgetSilent(agent: DeployAgent): Promise<boolean> {
  const { forgetSilent: seconds } = agent.plan;
  if (seconds === undefined) return false;
  const answer = await agent.ask(`forget silent ${seconds}`);
  return answer.startsWith("ok") && !answer.startsWith("ok forgotten: 0 ");
}

/**
 * Whether there is no load balancer at all, which is right where a plan says so. Only the beginning
 * and the end of an answer are the agent's own words: anybody may have sent what is quoted in it.
 */
export function isNobody(answer: string): boolean {
  return answer.startsWith("after ");
}

/** @throws {Problem} when the agent has just started: it cannot know those that ask seldom. */
export function refuseYoung(plan: Plan, answer: string): void {
  if (!isDoubtful(plan, answer)) return;
  throw new Problem(`${answer}; say how many there are (--pollers N), or --young`);
}

/** Whether an agent may not know every load balancer, and nobody says how many there are. */
function isDoubtful({ young, pollers }: Plan, answer: string): boolean {
  return !young && pollers === undefined && answer.endsWith(" may not be known yet");
}

/**
 * Waits as `waitForAll` does, and says so. An agent that has restarted has to learn first who they
 * are.
 *
 * @throws {Problem} as `waitForAll` and `refuseYoung` do.
 */
export async function watchAll(agent: DeployAgent, slowest?: Balancer): Promise<string> {
  const { plan, world } = agent;
  const pace = slowest ? `, of which ${slowest.address} asks every ${slowest.interval} s` : "";
  world.say(`waiting for every load balancer${pace}, for up to ${plan.wait} s`);
  let answer = await waitForAll(agent);
  world.say(answer);
  const pause = Math.max(isDoubtful(plan, answer) ? YOUNG_MS : 0, findPause(agent, slowest));
  if (pause > 0) {
    const seconds = Math.ceil(pause / 1000);
    world.say(`the agent has restarted: it has ${seconds} s to learn its load balancers`);
    await world.sleep(pause);
    answer = await waitForAll(agent);
    world.say(answer);
  }
  refuseYoung(plan, answer);
  return answer;
}

/**
 * How long (ms) an agent that has restarted may not know the slowest load balancer, which it knows
 * for good from its third check on.
 */
function findPause({ plan, world, restartedAt }: DeployAgent, slowest?: Balancer): number {
  if (plan.young || restartedAt === undefined) return 0;
  return restartedAt + suggestTime(slowest?.interval ?? 0, 3) * 1000 - world.now();
}
