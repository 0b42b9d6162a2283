// What a deploy looks at before it changes anything.
import { EXIT } from "../exit.ts";
import { NoAnswerError } from "./conversation.ts";
import { type DeployAgent, describe, Problem, type Shown, Taken } from "./deploy-agent.ts";
import { type Balancer, findSlowest, isYoung, waitForAll } from "./deploy-balancers.ts";
import type { Plan } from "./deploy-plan.ts";
import { isInRotation, makeSettings, type Settings } from "./deploy-words.ts";
import type { World } from "./deploy-world.ts";

/** It ends before it has changed anything. */
export class Refusal extends Error {
  constructor(
    message: string,
    readonly code: number = EXIT.refused,
  ) {
    super(message);
  }
}

/** What a deploy knows when it begins. */
export interface Start {
  readonly settings: Settings;
  /** The same once something was deployed: it may end elsewhere. */
  readonly deployed: Settings;
  /** The load balancer that asks least often. */
  readonly slowest: Balancer | undefined;
}

/**
 * Takes hold of the service, and looks whether all is there that a deploy needs.
 *
 * @throws {Refusal} when it is not, with the exit code.
 */
export async function prepare(plan: Plan, world: World, agent: DeployAgent): Promise<Start> {
  const obstacle = world.findObstacle();
  if (obstacle !== undefined) throw new Refusal(obstacle, EXIT.usage);
  if (plan.drain && !(await world.usePort(plan.drain.port)).isListening) {
    throw new Refusal(`--port: nothing listens on port ${plan.drain.port}`, EXIT.usage);
  }
  try {
    await agent.hold();
    return await look(plan, world, agent);
  } catch (error) {
    const isKnown = [NoAnswerError, Problem, Taken].some((each) => error instanceof each);
    throw isKnown && error instanceof Error ? new Refusal(nameOptions(error.message)) : error;
  }
}

/** The agent names forms of `wait`; who types a deploy has an option for each. */
function nameOptions(problem: string): string {
  return problem
    .replace("`wait SECONDS 0`", "`--pollers 0`")
    .replace("`wait SECONDS COUNT`", "`--pollers N`")
    .replace(/`wait (\d+)`/, "`--wait $1`");
}

async function look(plan: Plan, world: World, agent: DeployAgent): Promise<Start> {
  const from = await agent.show();
  refuseOutOfRotation(plan, "the server", from);
  if (plan.service !== undefined) refuseOutOfRotation(plan, "the host", await agent.show(true));
  const slowest = findSlowest(await agent.ask("show pollers"));
  if (slowest) {
    refuseBrief("--wait", slowest, plan.wait);
    refuseBrief("--forget-silent", slowest, plan.forgetSilent);
  }
  const answer = await waitForAll(agent, plan);
  refuseYoung(plan, answer);
  world.say(answer);
  const aim = { from, to: from, pid: world.pid };
  const settings = makeSettings(plan, aim);
  if (!plan.up) return { settings, deployed: settings, slowest };
  const deployed = makeSettings(plan, { ...aim, to: { status: "UP", reason: undefined } });
  return { settings, deployed, slowest };
}

/** Within such a time a load balancer that is there may not have asked. */
function refuseBrief(option: string, { address, interval }: Balancer, seconds = Infinity): void {
  if (interval < seconds) return;
  const got = `${option} ${seconds} is too short: ${address} asks every ${interval} s`;
  throw new Refusal(`${got}; use ${option} ${Math.ceil(interval * 1.25)}`, EXIT.usage);
}

function refuseOutOfRotation(plan: Plan, what: string, shown: Shown): void {
  if (plan.fromAny || isInRotation(shown)) return;
  // What a deploy has left behind that failed or was interrupted: the next one puts it right.
  const isLeft = / \[\d+\]$/.test(shown.reason ?? "");
  const option = isLeft ? "again: --from-any --up" : "nevertheless: --from-any";
  throw new Refusal(`${what} is ${describe(shown)}; to deploy ${option}`);
}

/**
 * Whether an agent has just started: it cannot know the load balancers that ask seldom, unless
 * somebody says how many there are.
 */
export function isDoubtful({ young, pollers }: Plan, answer: string): boolean {
  return !young && pollers === undefined && isYoung(answer);
}

/** @throws {Problem} when the agent may not know every load balancer. */
export function refuseYoung(plan: Plan, answer: string): void {
  if (!isDoubtful(plan, answer)) return;
  throw new Problem(`${answer}; say how many there are (--pollers N), or --young`);
}
