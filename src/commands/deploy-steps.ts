// The steps of a deploy, one after another. It fails before it changes anything, or it finishes, or
// its last line says what state the server is in, and the command that goes on from there.
import { YOUNG_MS } from "../controls.ts";
import { EXIT } from "../exit.ts";
import {
  DeployAgent,
  describe,
  isSame,
  Problem,
  type Setting,
  type Shown,
  Taken,
} from "./deploy-agent.ts";
import { isNobody, waitForAll } from "./deploy-balancers.ts";
import type { Plan } from "./deploy-plan.ts";
import { isDoubtful, prepare, Refusal, refuseYoung, type Start } from "./deploy-prepare.ts";
import {
  describeKept,
  describeWaiting,
  formatCommand,
  formatNext,
  formatSeconds,
  isInRotation,
  type LastSet,
  listWayBack,
  type Settings,
} from "./deploy-words.ts";
import { Interruption, type World } from "./deploy-world.ts";

/** How often connections to the port are counted, and the service is asked, in milliseconds. */
const COUNT_MS = 250;
const PROBE_MS = 500;

/** Who knows what the deploy has set last. */
const ALL = "every load balancer knows";
const NOT_ALL = "not every load balancer is known to know";

/** How a deploy has ended. */
export interface End {
  readonly code: number;
  /** The last line. */
  readonly line: string;
}

/** Deploys by a plan. */
export async function deploy(plan: Plan, world: World): Promise<End> {
  const agent = new DeployAgent(world, {
    service: plan.service,
    who: `hapgent deploy (pid ${world.pid}, ${plan.reason})`,
    patience: Math.max(plan.wait, 30),
  });
  try {
    const start = await prepare(plan, world, agent);
    return await new Deploy(plan, world, agent, start).carryOut();
  } catch (error) {
    if (error instanceof Refusal) {
      return { code: error.code, line: `nothing was changed: ${error.message}` };
    }
    if (!(error instanceof Interruption)) throw error;
    return { code: EXIT.failure, line: `${error.message}: nothing was changed` };
  }
}

/** A deploy that has all it needs: from here on it changes the state. */
class Deploy {
  settings: Settings;
  readonly startedAt: number;
  #last: LastSet;
  /** Who knows that, in words. */
  #known = "";

  constructor(
    readonly plan: Plan,
    readonly world: World,
    readonly agent: DeployAgent,
    readonly start: Start,
  ) {
    this.settings = start.settings;
    this.startedAt = world.now();
    this.#last = { setting: start.settings.from, isSaved: true };
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
    const { plan, world, agent } = this;
    const { from, out } = this.settings;
    await this.#tell(from, out);
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
    this.world.say(why);
    const problem = await attempt(() => this.#putBack());
    return await this.#end(problem ? `${why}; ${problem.message}` : why);
  }

  /** Runs the command, and waits until the service answers and has settled. */
  async #work(): Promise<void> {
    const { plan, world, agent } = this;
    const from = world.now();
    this.settings = this.start.deployed;
    const failed = await agent.holdDuring(world.run());
    if (failed !== undefined) {
      await attempt(() => this.#change(this.settings.out, this.settings.failed));
      throw new Problem(`the command failed (${failed}): ${formatCommand(plan.command)}`);
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
    const { to: end } = this.settings;
    const shown = await this.agent.show();
    const way = listWayBack(shown, this.settings);
    if (way.length === 0) throw new Taken("it is not put back");
    let now: Setting = shown;
    for (const to of way) {
      await this.#tell(now, to);
      now = to;
    }
    if (hasRun && isSame(shown, end) && isInRotation(shown)) {
      throw new Problem(`it was set to ${describe(shown)} before the deploy was over`);
    }
  }

  async #change(now: Setting, to: Setting): Promise<void> {
    const problem = await attempt(() => this.agent.change(now, to));
    if (!(problem instanceof Taken)) this.#last = { setting: to, isSaved: !problem };
    if (problem) throw problem;
    this.world.say(`set ${to.status}${to.reason ? ` "${to.reason}"` : ""}`);
  }

  /**
   * Sets a state, and waits until every load balancer knows; an agent that has restarted has to
   * learn first who they are.
   */
  async #tell(now: Setting, to: Setting): Promise<void> {
    this.#known = NOT_ALL;
    await this.#change(now, to);
    this.world.say(describeWaiting(this.plan, this.start.slowest));
    let answer = await waitForAll(this.agent, this.plan);
    this.world.say(answer);
    if (isDoubtful(this.plan, answer)) {
      this.world.say("the agent has restarted: it has a minute to learn its load balancers");
      await this.world.sleep(YOUNG_MS);
      answer = await waitForAll(this.agent, this.plan);
      this.world.say(answer);
    }
    refuseYoung(this.plan, answer);
    this.#known = isNobody(answer) ? "no load balancer asks" : ALL;
  }

  /** The last line: what was done, what the agent says, who knows, and what to type next. */
  async #end(failure?: string): Promise<End> {
    const { plan, world, agent, settings } = this;
    world.resume();
    const words = [failure ?? `done in ${formatSeconds(world.now() - this.startedAt)}`];
    const shown = await agent.show().catch(() => undefined);
    const isBack = shown !== undefined && isSame(shown, settings.to);
    const now = shown ?? this.#last.setting;
    const next = formatNext(now, this.#last, settings, plan);
    const isOwn = shown === undefined || isBack || next !== undefined;
    const host = await findHost(plan, agent);
    if (!shown) words.push("its state is not known");
    else if (isOwn) words.push(`the agent says ${shown.reply}`);
    else {
      const kept = describeKept(shown, this.#last);
      words.push(`somebody has set it: it is ${describe(shown)}, and stays so${kept}`);
    }
    // Somebody may have set meanwhile what it is to be.
    const known = isSame(now, this.#last.setting) ? this.#known : NOT_ALL;
    const where = isInRotation(now) && !host ? "back" : "out";
    if (isOwn && known) words.push(known === ALL ? `${ALL} that the server is ${where}` : known);
    if (host) words.push(`the host is ${describe(host)}: the server is out`);
    if (next !== undefined) words.push(next);
    const isGood = failure === undefined && isBack && (!host || plan.fromAny);
    return { code: isGood ? EXIT.ok : EXIT.failure, line: words.join("; ") };
  }
}

/** The host's state, where that keeps traffic from the service. */
async function findHost(plan: Plan, agent: DeployAgent): Promise<Shown | undefined> {
  if (plan.service === undefined) return undefined;
  const host = await agent.show(true).catch(() => undefined);
  return host && !isInRotation(host) ? host : undefined;
}

/** Waits until the requests under way have ended, or the time is over. */
async function drain({ seconds, port }: { seconds: number; port: number }, world: World) {
  const from = world.now();
  for (;;) {
    const { peers } = await world.usePort(port);
    const passed = world.now() - from;
    if (peers.length === 0) {
      return world.say(`no connection to port ${port} after ${formatSeconds(passed)}`);
    }
    if (passed >= seconds * 1000) {
      const connections = peers.length === 1 ? "1 connection" : `${peers.length} connections`;
      return world.say(`${connections} to port ${port} left after ${seconds} s`);
    }
    await world.sleep(COUNT_MS);
  }
}

/** Waits until the service answers. @throws {Problem} when it does not in time. */
async function waitForService({ url, until, answer }: Plan, world: World): Promise<void> {
  if (url === undefined && until === undefined) return;
  const from = world.now();
  for (;;) {
    const silence = await world.probe();
    const passed = world.now() - from;
    if (silence === undefined) {
      return world.say(`the service answers after ${formatSeconds(passed)}`);
    }
    if (passed >= answer * 1000) {
      throw new Problem(`the service does not answer within ${answer} s: ${silence}`);
    }
    await world.sleep(PROBE_MS);
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
