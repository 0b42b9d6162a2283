// What a deploy looks at before it changes anything.
import { suggestTime } from "../controls.ts";
import { UsageError } from "../exit.ts";
import { type DeployAgent, describe, Problem, type Shown } from "./deploy-agent.ts";
import { type Balancer, findSlowest, refuseYoung, waitForAll } from "./deploy-balancers.ts";
import type { Plan } from "./deploy-plan.ts";
import { isInRotation } from "./deploy-words.ts";

/** What a deploy knows when it begins. */
export interface Start {
  readonly from: Shown;
  /** The host's state, where that keeps traffic from the service. */
  readonly host: Shown | undefined;
  /** The load balancer that asks least often. */
  readonly slowest: Balancer | undefined;
}

/**
 * Takes hold of the service, and looks whether all is there that a deploy needs.
 *
 * @throws {UsageError} when the plan cannot be carried out here.
 * @throws {Problem} when the service, or the agent, is not fit for it now.
 */
export async function prepare(agent: DeployAgent): Promise<Start> {
  const { plan, world } = agent;
  const obstacle = world.findObstacle();
  if (obstacle !== undefined) throw new UsageError(obstacle);
  await agent.hold();
  const from = await agent.show();
  refuseOutOfRotation(plan, "the server", from);
  // A server that is out may be one whose service does not run: a deploy repairs it.
  if (plan.drain && isInRotation(from) && !(await world.usePort(plan.drain.port)).isListening) {
    throw new UsageError(`--port: nothing listens on port ${plan.drain.port}`);
  }
  const host = await findHost(agent);
  if (host) refuseOutOfRotation(plan, "the host", host);
  const slowest = findSlowest(await agent.ask("show pollers"));
  if (slowest) {
    refuseBrief("--wait", slowest, plan.wait);
    refuseBrief("--forget-silent", slowest, plan.forgetSilent);
  }
  const answer = await waitForAll(agent);
  refuseYoung(plan, answer);
  world.say(answer);
  return { from, host, slowest };
}

/** The host's state, where that keeps traffic from the service. @throws {Problem} */
export async function findHost(agent: DeployAgent): Promise<Shown | undefined> {
  if (agent.plan.service === undefined) return undefined;
  const host = await agent.show(true);
  return isInRotation(host) ? undefined : host;
}

/** Within such a time a load balancer that is there may not have asked. */
function refuseBrief(option: string, { address, interval }: Balancer, seconds = Infinity): void {
  if (interval < seconds) return;
  const got = `${option} ${seconds} is too short: ${address} asks every ${interval} s`;
  throw new UsageError(`${got}; use ${option} ${suggestTime(interval)}`);
}

function refuseOutOfRotation(plan: Plan, what: string, shown: Shown): void {
  if (plan.fromAny || isInRotation(shown)) return;
  // A deploy of one service sets no host.
  const up = what === "the server" ? ", and --up to end at UP" : "";
  throw new Problem(`${what} is ${describe(shown)}; to deploy nevertheless: --from-any${up}`);
}
