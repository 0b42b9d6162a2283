// The steps of a deploy, one after another. It fails before it changes anything, or it finishes, or
// its last line says what state the server is in, and the command that goes on from there.
import { EXIT, UsageError } from "../exit.ts";
import { NoAnswerError } from "./conversation.ts";
import { DeployAgent, describe, isSame, Problem, type Setting, Taken } from "./deploy-agent.ts";
import { isNobody, watchAll } from "./deploy-balancers.ts";
import type { Plan } from "./deploy-plan.ts";
import { findHost, prepare, type Start } from "./deploy-prepare.ts";
import { drain, waitForService } from "./deploy-service.ts";
import {
  ALL,
  describeEnd,
  formatCommand,
  formatSeconds,
  isInRotation,
  type LastSet,
  listWayBack,
  makeStates,
  NOT_ALL,
} from "./deploy-words.ts";
import { Interruption, type World } from "./deploy-world.ts";

/** How a deploy has ended. */
export interface End {
  readonly code: number;
  /** The last line. */
  readonly line: string;
}

/** Deploys by a plan. */
export async function deploy(plan: Plan, world: World): Promise<End> {
  const agent = new DeployAgent(plan, world);
  let start: Start;
  try {
    start = await prepare(agent);
  } catch (error) {
    return refuse(error);
  }
  return await new Deploy(agent, start).carryOut();
}

/** The end of a deploy that has changed nothing. @throws what is no reason to refuse one. */
function refuse(error: unknown): End {
  if (error instanceof Interruption) {
    return { code: EXIT.failure, line: `${error.message}: nothing was changed` };
  }
  const isUsage = error instanceof UsageError;
  if (!isUsage && !(error instanceof Problem || error instanceof NoAnswerError)) throw error;
  return {
    code: isUsage ? EXIT.usage : EXIT.refused,
    line: `nothing was changed: ${error.message}`,
  };
}

/** A deploy that has all it needs: from here on it changes the state. */
class Deploy {
  #states;
  readonly #startedAt: number;
  #last: LastSet;

  constructor(
    readonly agent: DeployAgent,
    readonly start: Start,
  ) {
    const { plan, world } = agent;
    this.#states = makeStates(plan, world.pid, start.from);
    this.#startedAt = world.now();
    this.#last = { setting: start.from, isSaved: true, known: NOT_ALL };
  }

  async carryOut(): Promise<End> {
    const obstacle = await attempt(() => this.#takeOut());
    if (obstacle) return await this.#turnBack(obstacle);
    const failure = await attempt(() => this.#work());
    if (failure) return await this.#end(failure.message);
    const problem = await attempt(() => this.#putBack(true));
    return await this.#end(problem && `deployed, but ${problem.message}`);
  }

  /** Takes the server out of rotation; returns once every load balancer knows. */
  async #takeOut(): Promise<void> {
    const { agent, start } = this;
    const { plan, world } = agent;
    const { out } = this.#states;
    await this.#tell(start.from, out);
    if (plan.drain) await drain(plan.drain, world);
    // Nobody may have let traffic in meanwhile.
    const shown = await agent.show();
    if (!isSame(shown, out)) throw new Taken(`it is ${describe(shown)}`);
    world.say(`running ${formatCommand(plan.command)}`);
  }

  /** Nothing was deployed: puts the server back, unless a person has ended it or set the state. */
  async #turnBack(obstacle: Error): Promise<End> {
    const why = `nothing was deployed: ${obstacle.message}`;
    if (obstacle instanceof Taken || obstacle instanceof Interruption) return await this.#end(why);
    this.agent.world.say(why);
    const problem = await attempt(() => this.#putBack());
    return await this.#end(problem ? `${why}; ${problem.message}` : why);
  }

  /** Runs the command, and waits until the service answers and has settled. */
  async #work(): Promise<void> {
    const { agent, start } = this;
    const { plan, world } = agent;
    const { out, failed } = this.#states;
    const from = world.now();
    const to: Setting = plan.up ? { status: "UP", reason: undefined } : start.from;
    this.#states = makeStates(plan, world.pid, start.from, to);
    const failure = await agent.holdDuring(world.run());
    if (failure !== undefined) {
      await attempt(() => this.#change(out, failed));
      throw new Problem(`the command failed (${failure}): ${formatCommand(plan.command)}`);
    }
    world.say(`it has ended after ${formatSeconds(world.now() - from)}`);
    await waitForService(plan, world);
    world.say(`settling for ${plan.settle} s`);
    await world.sleep(plan.settle * 1000);
  }

  /**
   * Puts back what it was, in one step or two, each once every load balancer knows the one before.
   *
   * @throws {Problem} also when it is done, but traffic was let in while the command ran.
   */
  async #putBack(hasRun = false): Promise<void> {
    const shown = await this.agent.show();
    const way = listWayBack(shown, this.#states);
    if (way.length === 0) throw new Taken("it is not put back");
    let now: Setting = shown;
    for (const to of way) {
      await this.#tell(now, to);
      now = to;
    }
    if (hasRun && isSame(shown, now) && isInRotation(shown)) {
      throw new Problem(`it was set to ${describe(shown)} before the deploy was over`);
    }
  }

  async #change(now: Setting, to: Setting): Promise<void> {
    const problem = await attempt(() => this.agent.change(now, to));
    const { known } = this.#last;
    if (!(problem instanceof Taken)) this.#last = { setting: to, isSaved: !problem, known };
    if (problem) throw problem;
    this.agent.world.say(`set ${to.status}${to.reason ? ` "${to.reason}"` : ""}`);
  }

  /** Sets a state, and waits until every load balancer knows. */
  async #tell(now: Setting, to: Setting): Promise<void> {
    this.#last.known = NOT_ALL;
    await this.#change(now, to);
    const answer = await watchAll(this.agent, this.start.slowest);
    this.#last.known = isNobody(answer) ? "no load balancer asks" : ALL;
  }

  /** What it is set to, and the host's state where that keeps traffic out: both or none. */
  async #look() {
    return [await this.agent.show(), await findHost(this.agent)] as const;
  }

  /** The last line: what was done, what the agent says, who knows, and what to type next. */
  async #end(failure?: string): Promise<End> {
    const { agent } = this;
    const { plan, world } = agent;
    world.resume();
    const what = failure ?? `done in ${formatSeconds(world.now() - this.#startedAt)}`;
    const [shown, host] = await this.#look().catch(() => []);
    const rest = describeEnd(shown, host, this.#last, this.#states, plan);
    const isBack = shown !== undefined && isSame(shown, this.#states.to);
    const isGood = failure === undefined && isBack && (!host || this.start.host !== undefined);
    return { code: isGood ? EXIT.ok : EXIT.failure, line: [what, ...rest].join("; ") };
  }
}

/** Runs a step; returns why it failed, or undefined. */
async function attempt(step: () => Promise<void>): Promise<Error | undefined> {
  try {
    await step();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
