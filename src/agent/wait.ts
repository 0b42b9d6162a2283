import type { Status } from "../state/state.ts";
import type { Poller } from "./poller.ts";
import { toSeconds } from "./pollers.ts";
import {
  counts,
  findProblem,
  isRecent,
  knows,
  LEARNING_MS,
  type Problem,
  type Scope,
  type Standpoint,
  type Survey,
  survey,
} from "./survey.ts";

/** What a wait is about. */
export interface WaitOptions extends Scope {
  readonly seconds: number;
  /** How many pollers there are at least; 0: there may be none. */
  readonly count: number | undefined;
  readonly now: number;
  /** Whether it is that of the stop status, which no change of a state ends. */
  readonly isStop?: boolean;
}

/** A status that is not any more what it was when the wait began. */
export interface StatusChange {
  /** The service; undefined: the host. */
  readonly name: string | undefined;
  readonly before: Status;
  /** Undefined: there is no such service any more. */
  readonly now: Standpoint | undefined;
}

/** How a wait has ended. */
export interface WaitEnd {
  /** Undefined: all know. */
  readonly problem: Problem | StatusChange | undefined;
  readonly survey: Survey;
  /** How long it took, in seconds. */
  readonly seconds: number;
}

/**
 * Waits until every poller that counts has the present reply. `look` is cheap: it looks at one that
 * does not know until that one does, and at all of them only when nobody is left that does not.
 */
export class Wait {
  readonly options: WaitOptions;
  readonly #statuses = new Map<string | undefined, Status>();
  #version: number;
  #cursor: Iterator<Poller> | undefined;
  /** One that stands in the way. */
  #hurdle: Poller | undefined;
  /** When all are looked at next, if no reply changes before (ms). */
  #nextAt = Number.NEGATIVE_INFINITY;

  constructor(options: WaitOptions) {
    this.options = options;
    const { replies, name, isStop } = options;
    this.#version = replies.version;
    options.pollers.sweep(options.now);
    if (isStop) return;
    this.#statuses.set(undefined, replies.own.state.status);
    for (const each of name === undefined ? replies.names() : [name]) {
      const entry = replies.service(each);
      if (entry) this.#statuses.set(each, entry.state.status);
    }
  }

  /** Looks whether it has ended: all know, the status has changed, or its time is over. */
  look(now: number): WaitEnd | undefined {
    const isOver = now - this.options.now >= this.options.seconds * 1000;
    const change = this.#followVersion();
    if (change) return this.#end(change, survey(this.options, now), now);
    if (!isOver && this.#isBlocked(now)) return undefined;
    const found = survey(this.options, now);
    const problem = findProblem(this.options, this.options.count, found, now);
    if (problem === undefined || isOver) return this.#end(problem, found, now);
    this.#remember(problem, found, now);
    return undefined;
  }

  /** Whether something that stood in the way still does, without a look at all. */
  #isBlocked(now: number): boolean {
    if (this.#hurdle && this.#isHurdle(this.#hurdle, now)) return true;
    this.#hurdle = undefined;
    for (let next = this.#cursor?.next(); next && !next.done; next = this.#cursor?.next()) {
      if (!this.#isHurdle(next.value, now)) continue;
      this.#hurdle = next.value;
      return true;
    }
    this.#cursor = undefined;
    return now < this.#nextAt;
  }

  #isHurdle(poller: Poller, now: number): boolean {
    // It may have been forgotten meanwhile.
    if (!this.options.pollers.memory.has(poller)) return false;
    if (!counts(this.options, poller, now)) return false;
    if (!knows(this.options, poller, now)) return true;
    return !this.options.count && isRecent(this.options, poller, now);
  }

  /** Notes what stands in the way, so that the next looks are cheap. */
  #remember(problem: Problem, found: Survey, now: number): void {
    const { pollers } = this.options;
    let nextAt = Number.POSITIVE_INFINITY;
    if (problem === "unsettled") nextAt = found.settledAt;
    if (problem === "learning") nextAt = pollers.options.now + LEARNING_MS;
    // The more there are, the more rarely.
    this.#nextAt = Math.min(nextAt, now + pollers.memory.size / 2);
    const rest = problem === "missing" ? found.missing : found.recent;
    if (problem !== "missing" && problem !== "recent") return;
    this.#hurdle = rest[0];
    this.#cursor = rest.values().drop(1);
  }

  /** Follows a new reply; a status that has changed ends the wait. */
  #followVersion(): StatusChange | undefined {
    const { replies } = this.options;
    if (this.#version === replies.version) return undefined;
    this.#version = replies.version;
    this.#nextAt = Number.NEGATIVE_INFINITY;
    for (const [name, before] of this.#statuses) {
      const now = name === undefined ? replies.own : replies.service(name);
      if (now?.state.status !== before) return { name, before, now };
    }
    return undefined;
  }

  #end(problem: WaitEnd["problem"], found: Survey, now: number): WaitEnd {
    return { problem, survey: found, seconds: toSeconds(now - this.options.now) };
  }
}
