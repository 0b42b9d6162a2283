import { isBalancer } from "../../src/agent/pollers.ts";
import { Wait, type WaitEnd } from "../../src/agent/wait.ts";
import { NO_SERVICE, nameIn } from "../../src/sent.ts";
import { Agent } from "./agent.ts";
import { SimulatedHost } from "./host.ts";
import { explain, type Kind } from "./judge.ts";
import { Line } from "./line.ts";
import type { Plan, StrangerPlan, TimedDeed } from "./plan.ts";
import { Random } from "./random.ts";
import { Timeline } from "./timeline.ts";

/** A wait that has ended. */
export interface Outcome {
  readonly at: number;
  readonly name: string | undefined;
  readonly end: WaitEnd;
}

/** An ok that was false: a load balancer has another reply, and whether the agent could know. */
export interface FalseOk {
  readonly at: number;
  readonly kind: Kind | "fault";
  readonly line: string;
  readonly knows: string | undefined;
  readonly present: string;
}

/** How a world went. */
export interface Result {
  readonly outcomes: readonly Outcome[];
  readonly falseOks: readonly FalseOk[];
  /** When a wait after the end of all disturbances was not ok in time: why. */
  readonly endless: string | undefined;
}

/** How often a wait looks (ms). */
const LOOK_MS = 150;

/** Plays a plan; the seed decides about what it leaves open. */
export function playWorld(plan: Plan, seed = 1): Result {
  return new World(plan, seed).play();
}

class World {
  readonly #plan: Plan;
  readonly #timeline = new Timeline();
  readonly #random: Random;
  readonly #host: SimulatedHost;
  readonly #lines: readonly Line[];
  #agent: Agent | undefined;
  /** When the last disturbance was: at the end of the plan, or later. */
  #quietAt: number;
  readonly #outcomes: Outcome[] = [];
  readonly #falseOks: FalseOk[] = [];
  #endless: string | undefined;
  /** The lines that have the present reply, as some wait has said at this version of the host. */
  readonly #promised = new Map<Line, number>();

  constructor(plan: Plan, seed: number) {
    this.#plan = plan;
    this.#random = new Random(seed);
    this.#host = new SimulatedHost(plan.services);
    this.#agent = new Agent(this.#host, plan, -(plan.age ?? 0));
    this.#quietAt = plan.end;
    const surroundings = {
      ...{ timeline: this.#timeline, random: this.#random, end: plan.end, forget: plan.forget },
      agent: () => this.#agent,
      heard: (line: Line, reply: string) => this.#hear(line, reply),
    };
    this.#lines = plan.balancers.flatMap((balancer) =>
      balancer.lines.map((line) => new Line(balancer, line, surroundings)),
    );
    for (const stranger of plan.strangers ?? []) this.#meet(stranger, stranger.at);
    for (const deed of plan.deeds) this.#timeline.at(deed.at, () => this.#perform(deed));
  }

  play(): Result {
    this.#timeline.run(this.#plan.end);
    this.#timeline.run(this.#quietAt);
    this.#expectOk();
    const [outcomes, falseOks, endless] = [this.#outcomes, this.#falseOks, this.#endless];
    return { outcomes, falseOks, endless };
  }

  /** After the last disturbance a wait has to be ok, once those that are gone were forgotten. */
  #expectOk(): void {
    const now = this.#timeline.now;
    const agent = this.#agent;
    const asks = (line: Line) => this.#host.replyTo(line.plan.sent).text !== NO_SERVICE;
    if (!agent || !this.#lines.some((line) => line.isAlive(now) && asks(line))) return;
    const strangers = this.#plan.strangers ?? [];
    // One that never reads looks like a load balancer that no reply reaches.
    if (!this.#plan.named && strangers.some(({ every, end }) => every && end === "unread")) return;
    for (const { balancer } of this.#lines.filter((line) => !line.isAlive(now))) {
      if (
        this.#lines.some((line) => line.isAlive(now) && line.balancer.address === balancer.address)
      )
        return;
      const scope = { replies: this.#host, pollers: agent.pollers, name: undefined };
      forget(scope.pollers, balancer.address, undefined);
    }
    const intervals = [
      ...this.#lines.map(({ plan }) => plan.interval),
      ...strangers.map(({ every = 0 }) => every),
    ];
    const isYoung = now - agent.startedAt < 300_000;
    const newcomers = isYoung && strangers.some(({ at, every }) => !every && at < now) ? 60_000 : 0;
    const limit = 30_000 + 3.1 * Math.max(...intervals) + newcomers;
    this.#host.put(
      undefined,
      this.#host.own.state.status === "DRAIN" ? "UP" : "DRAIN",
      "socket",
      now,
    );
    let last: Outcome | undefined;
    this.#wait(undefined, limit / 1000, undefined, (outcome) => {
      last = outcome;
    });
    this.#timeline.run(now + limit + 200);
    const problem = last?.end.problem;
    if (!last || problem !== undefined) this.#endless = JSON.stringify(problem ?? "no end");
  }

  #perform(deed: TimedDeed): void {
    const { now } = this.#timeline;
    const host = this.#host;
    switch (deed.do) {
      case "set":
        host.put(deed.name, deed.status, deed.by ?? "socket", now, deed.weight);
        break;
      case "remove":
        host.remove(deed.name, now);
        break;
      case "wait":
        if (deed.name !== undefined && !host.service(deed.name)) break;
        this.#wait(deed.name, deed.seconds, deed.count, () => {});
        break;
      case "restart":
        this.#restart(deed.down);
        break;
      case "stop":
        host.stop("MAINT", now);
        this.#quietAt = Math.max(this.#quietAt, now + deed.grace * 1000 + deed.down + 200);
        this.#wait(undefined, deed.grace, 0, () => this.#restart(deed.down), true);
        break;
      case "forget":
        if (!this.#agent) break;
        forget(this.#agent.pollers, deed.address, deed.name);
        for (const line of this.#lines) {
          if (line.balancer.address === deed.address) line.forget();
        }
        break;
      case "forget silent":
        this.#forgetSilent(deed.seconds * 1000);
        break;
    }
  }

  #forgetSilent(limit: number): void {
    const { now } = this.#timeline;
    const pollers = this.#agent?.pollers;
    if (!pollers) return;
    const gone = [...pollers.memory].filter(({ askedAt }) => now - askedAt >= limit);
    pollers.forget(gone, [], undefined);
    const named = new Set(gone.flatMap((each) => (isBalancer(each.named) ? [each.named] : [])));
    pollers.forget(
      [],
      [...named].filter((each) => pollers.of(each).length === 0),
      undefined,
    );
    for (const line of this.#lines) if (now - line.heard.askedAt >= limit) line.forget();
  }

  #restart(down: number): void {
    const { now } = this.#timeline;
    if (!this.#agent) return;
    this.#agent = undefined;
    this.#quietAt = Math.max(this.#quietAt, now + down);
    for (const line of this.#lines) line.forget();
    this.#promised.clear();
    this.#timeline.at(now + down, (at) => {
      this.#host.stop(undefined, at);
      this.#agent = new Agent(this.#host, this.#plan, at);
    });
  }

  #meet(stranger: StrangerPlan, at: number): void {
    this.#timeline.at(at, () => {
      const { address, sent, end, open, every, until = Number.POSITIVE_INFINITY } = stranger;
      const agent = this.#agent;
      if (every && at + every < until) this.#meet(stranger, at + every);
      if (!agent) return;
      const reply = this.#host.replyTo(sent ?? "").text;
      const written = agent.pollers.written({ address, sent }, reply, at);
      this.#timeline.at(at + open, (closed) => {
        if (agent === this.#agent) agent.pollers.closed(written, end === "served", closed);
      });
    });
  }

  #wait(
    name: string | undefined,
    seconds: number,
    count: number | undefined,
    ended: (outcome: Outcome) => void,
    isStop = false,
  ): void {
    const agent = this.#agent;
    if (!agent) return;
    const { now } = this.#timeline;
    const scope = { replies: this.#host, pollers: agent.pollers, name };
    const wait = new Wait({ ...scope, seconds, count, now, isStop });
    const look = (at: number) => {
      if (agent !== this.#agent) return;
      const end = wait.look(at);
      if (!end) {
        this.#timeline.at(at + LOOK_MS, look);
        return;
      }
      const outcome = { at, name, end };
      this.#outcomes.push(outcome);
      if (end.problem === undefined) this.#judge(agent, name, at);
      ended(outcome);
    };
    look(now);
  }

  /** An ok was said: each load balancer has to have the reply. */
  #judge(agent: Agent, name: string | undefined, now: number): void {
    for (const line of this.#lines) {
      const { sent } = line.plan;
      if (!line.isAlive(now) || (name !== undefined && nameIn(sent) !== name)) continue;
      const present = this.#host.replyTo(sent).text;
      if (line.knows === present) this.#promised.set(line, this.#host.version);
      else this.#report(agent, line, present, name, now);
    }
  }

  /** A line has read a reply: not another one than was promised while that is the present one. */
  #hear(line: Line, reply: string): void {
    if (this.#promised.get(line) !== this.#host.version || !this.#agent) return;
    const present = this.#host.replyTo(line.plan.sent).text;
    if (reply !== present) this.#report(this.#agent, line, present, undefined, this.#timeline.now);
  }

  #report(agent: Agent, line: Line, present: string, name: string | undefined, at: number): void {
    const kind = explain({ plan: this.#plan, agent, lines: this.#lines, line, name, now: at });
    const { address } = line.balancer;
    const who = `${address} ${JSON.stringify(line.plan.sent)}`;
    this.#falseOks.push({ at, kind: kind ?? "fault", line: who, knows: line.knows, present });
  }
}

function forget(pollers: Agent["pollers"], address: string, name: string | undefined): void {
  const found = pollers.options.named?.find(address);
  const named = isBalancer(found) ? [found] : [];
  const lines = named[0] ? pollers.of(named[0]) : pollers.memory.at(address);
  const gone = lines.filter(({ sent }) => name === undefined || nameIn(sent) === name);
  pollers.forget(gone, named, name);
}
