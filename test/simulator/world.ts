import { forgetAddress, forgetSilent } from "../../src/agent/poller-words.ts";
import { findProblem, type Question, survey } from "../../src/agent/survey.ts";
import { Telling } from "../../src/agent/telling.ts";
import { Wait, type WaitEnd } from "../../src/agent/wait.ts";
import { NO_SERVICE, nameIn } from "../../src/sent.ts";
import type { State } from "../../src/state/state.ts";
import { Agent } from "./agent.ts";
import { explain } from "./judge.ts";
import { Line } from "./line.ts";
import type { Plan, StrangerPlan, TimedDeed } from "./plan.ts";
import { Random } from "./random.ts";
import { Timeline } from "./timeline.ts";

/** An ok that was false: a load balancer has another reply, and whether the agent could know. */
interface FalseOk {
  readonly at: number;
  /** Why the agent cannot know; `fault`: it should have known. */
  readonly kind: string;
  readonly line: string;
  readonly knows: string | undefined;
  readonly present: string;
}

/** How a world went. */
interface Result {
  /** How its waits have ended. */
  readonly ends: readonly WaitEnd[];
  readonly falseOks: readonly FalseOk[];
  /** When a wait went on though all was known, or was never ok after all disturbances: why. */
  readonly endless: string | undefined;
}

/** How often a wait looks (ms). */
const LOOK_MS = 150;

/** After so many looks of a wait another one, at everything, shows whether it should have ended. */
const LOOKS = 7;

/** Plays a plan; the seed decides about what it leaves open. */
export function playWorld(plan: Plan, seed = 1): Result {
  return new World(plan, seed).play();
}

class World {
  readonly #plan: Plan;
  readonly #timeline = new Timeline();
  readonly #random: Random;
  readonly #files = new Map<string | undefined, State>();
  readonly #lines: readonly Line[];
  #agent: Agent | undefined;
  /** When the last disturbance was: at the end of the plan, or later. */
  #quietAt: number;
  readonly #ends: WaitEnd[] = [];
  readonly #falseOks: FalseOk[] = [];
  #endless: string | undefined;
  /** The lines that have the present reply, as some wait has said at this version of the host. */
  readonly #promised = new Map<Line, number>();

  constructor(plan: Plan, seed: number) {
    this.#plan = plan;
    this.#random = new Random(seed);
    for (const name of [undefined, ...(plan.services ?? [])]) {
      this.#files.set(name, { status: "UP" });
    }
    this.#agent = new Agent(plan, this.#files, -(plan.age ?? 0));
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
    return { ends: this.#ends, falseOks: this.#falseOks, endless: this.#endless };
  }

  /** After the last disturbance a wait has to be ok, once those that are gone were forgotten. */
  #expectOk(): void {
    const { now } = this.#timeline;
    const agent = this.#agent;
    const alive = this.#lines.filter((line) => line.isAlive(now));
    const asks = (line: Line) => agent?.host.replyTo(line.plan.sent).text !== NO_SERVICE;
    if (!agent || !alive.some(asks)) return;
    const { strangers = [], named } = this.#plan;
    // One that never reads looks like a load balancer that no reply reaches.
    if (!named && strangers.some(({ every, end }) => every && end === "unread")) return;
    for (const { balancer } of this.#lines.filter((line) => !alive.includes(line))) {
      if (alive.some((line) => line.balancer.address === balancer.address)) return;
      forgetAddress(agent.scope(), balancer.address, now);
    }
    const intervals = [
      ...this.#lines.map(({ plan }) => plan.interval),
      ...strangers.map(({ every = 0 }) => every),
    ];
    const isYoung = now - agent.startedAt < 300_000;
    const newcomers = isYoung && strangers.some(({ at, every }) => !every && at < now) ? 60_000 : 0;
    const limit = 30_000 + 3.1 * Math.max(...intervals) + newcomers;
    const { status } = agent.host.own.state;
    this.#set(undefined, { status: status === "DRAIN" ? "UP" : "DRAIN" }, "socket");
    let last: WaitEnd | undefined;
    this.#wait(undefined, limit / 1000, undefined, (end) => {
      last = end;
    });
    this.#timeline.run(now + limit + 200);
    if (!last || last.problem) this.#endless = JSON.stringify(last?.problem ?? "no end");
  }

  #set(name: string | undefined, state: State, by: string): void {
    this.#files.set(name, state);
    this.#agent?.host.put(name, state, by, this.#timeline.now);
  }

  #perform(deed: TimedDeed): void {
    const { now } = this.#timeline;
    const agent = this.#agent;
    switch (deed.do) {
      case "set": {
        const { name, status, weight, by = "socket" } = deed;
        this.#set(name, { status, ...(weight !== undefined && { weight }) }, by);
        break;
      }
      case "remove":
        this.#files.delete(deed.name);
        agent?.host.remove(deed.name, now);
        break;
      case "wait":
        if (agent?.host.find(deed.name)) this.#wait(deed.name, deed.seconds, deed.count);
        break;
      case "restart":
        this.#restart(deed.down);
        break;
      case "stop":
        agent?.host.answerWhileStopping("MAINT", now);
        this.#quietAt = Math.max(this.#quietAt, now + deed.grace * 1000 + deed.down + 200);
        this.#wait(undefined, deed.grace, 0, () => this.#restart(deed.down), true);
        break;
      case "forget":
        if (agent) forgetAddress(agent.scope(), deed.address, now);
        for (const line of this.#lines) {
          if (line.balancer.address === deed.address) line.forget();
        }
        break;
      case "forget silent": {
        if (agent) forgetSilent(agent.scope(), deed.seconds, now);
        const since = now - deed.seconds * 1000;
        for (const line of this.#lines) if (line.heard.askedAt <= since) line.forget();
        break;
      }
    }
  }

  #restart(down: number): void {
    const { now } = this.#timeline;
    if (!this.#agent) return;
    this.#agent = undefined;
    this.#quietAt = Math.max(this.#quietAt, now + down);
    for (const line of this.#lines) line.forget();
    this.#promised.clear();
    this.#timeline.at(now + down, (at) => {
      this.#agent = new Agent(this.#plan, this.#files, at);
    });
  }

  #meet(stranger: StrangerPlan, at: number): void {
    this.#timeline.at(at, () => {
      const { address, sent, end, open, every } = stranger;
      const agent = this.#agent;
      if (every) this.#meet(stranger, at + every);
      if (!agent) return;
      const reply = agent.host.replyTo(sent ?? "").text;
      const telling = new Telling(agent.pollers, address, sent || undefined, reply, at);
      this.#timeline.at(at + open, (closed) => {
        if (agent !== this.#agent) return;
        if (sent === undefined) telling.giveUp();
        else telling.end(sent, end === "served", closed);
      });
    });
  }

  #wait(
    name: string | undefined,
    seconds: number,
    count: number | undefined,
    ended: (end: WaitEnd) => void = () => {},
    isStop = false,
  ): void {
    const agent = this.#agent;
    if (!agent) return;
    const scope = agent.scope(name);
    const question = { ...scope, count, isStop };
    const wait = new Wait({ ...question, seconds, now: this.#timeline.now });
    let looks = 0;
    const look = (at: number) => {
      if (agent !== this.#agent) return;
      const end = wait.look(at);
      looks += 1;
      if (!end) {
        if (looks % LOOKS === 0) this.#expectProblem(question, at);
        this.#timeline.at(at + LOOK_MS, look);
        return;
      }
      this.#ends.push(end);
      if (end.problem === undefined) this.#judge(agent, name, at);
      ended(end);
    };
    look(this.#timeline.now);
  }

  /** A wait goes on: something stands in its way. */
  #expectProblem(question: Question, now: number) {
    if (this.#endless !== undefined) return;
    const problem = findProblem(question, survey(question, now), now);
    if (problem === undefined) this.#endless = `at ${now} ms all is known, and a wait goes on`;
  }

  /** An ok was said: each load balancer has to have the reply. */
  #judge(agent: Agent, name: string | undefined, now: number): void {
    for (const line of this.#lines) {
      const { sent } = line.plan;
      if (!line.isAlive(now) || (name !== undefined && nameIn(sent) !== name)) continue;
      const present = agent.host.replyTo(sent).text;
      if (line.knows === present) this.#promised.set(line, agent.host.version);
      else this.#report(agent, line, present);
    }
  }

  /** A line has read a reply: not another one than was promised while that is the present one. */
  #hear(line: Line, reply: string): void {
    const agent = this.#agent;
    if (!agent || this.#promised.get(line) !== agent.host.version) return;
    const present = agent.host.replyTo(line.plan.sent).text;
    if (reply !== present) this.#report(agent, line, present);
  }

  #report(agent: Agent, line: Line, present: string): void {
    const { now: at } = this.#timeline;
    const kind = explain(line, { agent, plan: this.#plan, lines: this.#lines }, at);
    const { address } = line.balancer;
    const who = `${address} ${JSON.stringify(line.plan.sent)}`;
    this.#falseOks.push({ at, kind: kind ?? "fault", line: who, knows: line.knows, present });
  }
}
