import type { Status } from "../state/state.ts";
import type { Entry } from "./host.ts";
import { toSeconds } from "./pollers.ts";
import { findProblem, type Problem, type Question, type Survey, survey } from "./survey.ts";

/** How often a wait looks whether it has ended, in milliseconds. */
const LOOK_MS = 100;

/** What a wait is about. */
export interface WaitOptions extends Question {
  readonly seconds: number;
  readonly now: number;
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

/** Waits until every poller that counts has the present reply. */
export class Wait {
  readonly #statuses = new Map<string | undefined, Status>();
  /** That of the replies at the last look. */
  #version: number | undefined;
  /** When it looks at all pollers next (ms). */
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
    if (!change && !isOver && now < this.#nextAt) return undefined;
    const found = survey(options, now);
    const problem = findProblem(options, found, now);
    if (change || isOver || problem === undefined) {
      return { problem: change ?? problem, survey: found, seconds: toSeconds(passed) };
    }
    // The more there are, the more rarely.
    this.#nextAt = now + options.pollers.memory.size / 2;
    return undefined;
  }

  /** Where replies are new: a status that has changed ends the wait. */
  #followVersion(): StatusChange | undefined {
    const { host } = this.options;
    if (this.#version === host.version) return undefined;
    this.#version = host.version;
    for (const [name, before] of this.#statuses) {
      const now = host.find(name);
      if (now?.state.status !== before) return { name, before, now };
    }
    return undefined;
  }
}
