import { Telling } from "../../src/agent/telling.ts";
import type { Agent } from "./agent.ts";
import type { BalancerPlan, LinePlan, Window } from "./plan.ts";
import type { Random } from "./random.ts";
import type { Timeline } from "./timeline.ts";

/** When TCP sends a SYN, and data, again (ms; Linux). */
const SYNS = [0, 1000, 3000, 7000];
const SEGMENTS = [0, 200, 600, 1400, 3000];

/** How long a reply waits before it is written (ms). */
const PAUSE_MS = 2;

/** Who closes so long after a reply (ms) is late: perhaps it has not read it. */
const LATE_MS = 700;

/** What the agent of a line has seen of it since its start, as nobody but the world knows it. */
export interface Heard {
  asks: number;
  serves: number;
  askedAt: number;
  countedAt: number;
}

/** What all lines of a world share. */
export interface Surroundings {
  readonly timeline: Timeline;
  readonly random: Random;
  /** The end of all disturbances. */
  readonly end: number;
  /** HAPGENT_FORGET (s). */
  readonly forget: number | undefined;
  /** The agent, while it listens. */
  readonly agent: () => Agent | undefined;
  readonly heard: (line: Line, reply: string) => void;
}

/** A line of a load balancer: it asks, and knows what it has read. */
export class Line {
  /** The last reply that it has read since its load balancer was started. */
  knows: string | undefined;
  heard: Heard = nothing();
  /** When its load balancer was restarted last. */
  startedAt = Number.NEGATIVE_INFINITY;
  /** When the last check has begun of which anything was lost on its way. */
  failedAt = Number.NEGATIVE_INFINITY;
  #epoch = 0;

  constructor(
    readonly balancer: BalancerPlan,
    readonly plan: LinePlan,
    readonly world: Surroundings,
  ) {
    const { timeline, random } = world;
    this.#begin(random.between(0, plan.within ?? plan.interval) + (balancer.from ?? 0));
    for (const at of balancer.restarts ?? []) {
      timeline.at(at, () => {
        this.startedAt = at;
        this.knows = undefined;
        this.#epoch += 1;
        this.#begin(at + random.between(0, plan.interval));
      });
    }
  }

  /** Whether it routes traffic. */
  isAlive(now: number): boolean {
    return (
      now >= (this.balancer.from ?? 0) && now < (this.balancer.until ?? Number.POSITIVE_INFINITY)
    );
  }

  forget(): void {
    this.heard = nothing();
  }

  #begin(at: number): void {
    const epoch = this.#epoch;
    const check = (now: number) => {
      if (epoch !== this.#epoch) return;
      const { random, timeline } = this.world;
      timeline.at(now + this.plan.interval * random.between(1, 1.02), check);
      if (this.isAlive(now) && !isIn(this.plan.off, now)) this.#connect(now);
    };
    this.world.timeline.at(at, check);
  }

  /** A check from its SYN on; what is lost is sent again, while the check lasts. */
  #connect(start: number): void {
    const { trip } = this.balancer;
    const arrival = SYNS.map((delay) => start + delay).find(
      (at) => !this.#isLost(at) && !this.#isLost(at + trip),
    );
    if (arrival !== start) this.failedAt = start;
    if (arrival === undefined || arrival + trip > start + this.plan.timeout) return;
    this.world.timeline.at(arrival + 1.5 * trip, (now) => this.#accept(start, now));
  }

  #accept(start: number, now: number): void {
    const { timeline, random, agent } = this.world;
    const asked = agent();
    if (!asked) return;
    // At once, or after a look at a file.
    const looked = now + (random.chance(0.1) ? random.between(0, 50) : 0);
    timeline.at(looked + PAUSE_MS, (at) => {
      if (asked === agent()) this.#answer(asked, start, at);
    });
  }

  #answer(asked: Agent, start: number, now: number): void {
    const { timeline, random, agent } = this.world;
    const { balancer, plan } = this;
    const { trip, address } = balancer;
    const reply = asked.host.replyTo(plan.sent).text;
    // Whether it sends nothing, or not yet, is known when it has closed.
    if (plan.sent !== "") this.#note(now);
    const telling = new Telling(asked.pollers, address, plan.sent || undefined, reply, now);
    const expiry = now + random.between(1000, 5000);
    const close = (at: number, isServed: boolean) =>
      timeline.at(Math.min(at, expiry), () => {
        if (asked !== agent()) return;
        if (at < expiry) this.#close(telling, isServed);
        else telling.giveUp();
      });
    const timedOut = start + plan.timeout;
    const sent = SEGMENTS.map((delay) => now + delay).find((at) => !this.#isLost(at, true));
    const read = (sent ?? Number.POSITIVE_INFINITY) + trip / 2;
    const epoch = this.#epoch;
    if (sent !== now) this.failedAt = start;
    if (read >= timedOut) {
      close(this.#isLost(timedOut) ? expiry : timedOut + trip / 2, false);
      return;
    }
    timeline.at(read, () => {
      if (epoch !== this.#epoch || !this.isAlive(read)) {
        close(expiry, false);
        return;
      }
      if (isIn(plan.off, read)) {
        // Switched off under way, it closes cleanly at its timeout, and reads nothing. One that times
        // out sooner than a late one is not told apart.
        const closed = timedOut + trip / 2;
        close(closed, closed - now >= LATE_MS);
        return;
      }
      this.knows = reply;
      this.world.heard(this, reply);
      // Its end comes, as a reset perhaps, or late, or never.
      const end = SEGMENTS.map((delay) => read + delay).find((at) => !this.#isLost(at));
      const closed = (end ?? Number.POSITIVE_INFINITY) + trip / 2;
      const resets = end !== undefined && end < this.world.end ? this.balancer.resets : 0;
      close(closed, !random.chance(resets ?? 0));
    });
  }

  #close(telling: Telling, isServed: boolean): void {
    const { now } = this.world.timeline;
    const { sent } = this.plan;
    if (sent === "") this.#note(now);
    telling.end(sent, isServed, now);
    if (isServed && now - telling.at < LATE_MS) this.heard.serves += 1;
  }

  #note(now: number): void {
    // Who was forgotten is new again.
    if (now - this.heard.askedAt > (this.world.forget ?? Infinity) * 1000) this.forget();
    const { heard } = this;
    heard.askedAt = now;
    if (now - heard.countedAt < 1000) return;
    heard.asks += 1;
    heard.countedAt = now;
  }

  #isLost(at: number, isFromAgent = false): boolean {
    const { balancer, world } = this;
    if (isIn(balancer.cuts, at) || (isFromAgent && isIn(balancer.deaf, at))) return true;
    return at < world.end && world.random.chance(balancer.loss ?? 0);
  }
}

function isIn(windows: readonly Window[] | undefined, at: number): boolean {
  return windows?.some(([from, to]) => at >= from && at < to) ?? false;
}

function nothing(): Heard {
  const never = Number.NEGATIVE_INFINITY;
  return { asks: 0, serves: 0, askedAt: never, countedAt: never };
}
