import type { Status } from "../state/state.ts";
import type { Entry } from "./host.ts";
import type { Poller } from "./poller.ts";
import { toSeconds } from "./pollers.ts";
import {
  counts,
  findProblem,
  isRecent,
  knows,
  type Problem,
  type Question,
  type Survey,
  survey,
} from "./survey.ts";

/** How often a wait looks whether it has ended, in milliseconds. */
const LOOK_MS = 100;

/** What a wait is about. */
export interface WaitOptions extends Question {
  readonly seconds: number;
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
  readonly now: Entry | undefined;
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
  readonly #statuses = new Map<string | undefined, Status>();
  /** That of the replies at the last look. */
  #version: number | undefined;
  /** Those that stood in the way of the last look at all. */
  #hurdles: Poller[] = [];
  /** When all are looked at next, if no reply changes before (ms). */
  #nextAt = Number.NEGATIVE_INFINITY;

  constructor(readonly options: WaitOptions) {
    const { host, pollers, name, now, isStop } = options;
    pollers.sweep(now);
    if (isStop) return;
    for (const each of [undefined, ...(name === undefined ? host.names() : [name])]) {
      const entry = host.find(each);
      if (entry) this.#statuses.set(each, entry.state.status);
    }
  }

  /** Looks until it has ended; undefined: nobody waits any more. */
  async run(now: () => number, isOver: () => boolean): Promise<WaitEnd | undefined> {
    for (; !isOver(); await Bun.sleep(LOOK_MS)) {
      const end = this.look(now());
      if (end) return end;
    }
    return undefined;
  }

  /** Looks whether it has ended: all know, the status has changed, or its time is over. */
  look(now: number): WaitEnd | undefined {
    const { options } = this;
    const passed = now - options.now;
    const isOver = passed >= options.seconds * 1000;
    const change = this.#followVersion();
    if (!change && !isOver && this.#isBlocked(now)) return undefined;
    const found = survey(options, now);
    const problem = findProblem(options, found, now);
    if (change || isOver || problem === undefined) {
      return { problem: change ?? problem, survey: found, seconds: toSeconds(passed) };
    }
    this.#remember(problem, found, now);
    return undefined;
  }

  /** Whether something that stood in the way still does, without a look at all. */
  #isBlocked(now: number): boolean {
    for (let next = this.#hurdles.at(-1); next; next = this.#hurdles.at(-1)) {
      if (this.#isHurdle(next, now)) return true;
      this.#hurdles.pop();
    }
    return now < this.#nextAt;
  }

  #isHurdle(poller: Poller, now: number): boolean {
    const { options } = this;
    // It may have been forgotten meanwhile.
    if (!options.pollers.memory.has(poller) || !counts(options, poller, now)) return false;
    return (
      !knows(options, poller, now) || (!options.count && isRecent(options.pollers, poller, now))
    );
  }

  /** Notes what stands in the way, so that the next looks are cheap. */
  #remember(problem: Problem, found: Survey, now: number): void {
    // The more there are, the more rarely.
    this.#nextAt = now + this.options.pollers.memory.size / 2;
    if (problem === "missing") this.#hurdles = found.missing.toReversed();
    if (problem === "recent") this.#hurdles = found.recent.toReversed();
  }

  /** Follows a new reply; a status that has changed ends the wait. */
  #followVersion(): StatusChange | undefined {
    const { host } = this.options;
    if (this.#version === host.version) return undefined;
    this.#version = host.version;
    this.#nextAt = Number.NEGATIVE_INFINITY;
    for (const [name, before] of this.#statuses) {
      const now = host.find(name);
      if (now?.state.status !== before) return { name, before, now };
    }
    return undefined;
  }
}
