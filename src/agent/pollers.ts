import type { Services } from "./services.ts";

/** A poller that was served is forgotten when it has not asked for this time (ms). */
const MEMORY_MS = 60_000;

/** The most pollers that are remembered. */
export const POLLER_LIMIT = 4096;

/** The interval that is assumed before one was seen: HAProxy's default `agent-inter`, in ms. */
const DEFAULT_INTERVAL_MS = 2000;

/** How long the agent listens before it knows its pollers (ms): five default intervals. */
const LEARNING_MS = 10_000;

/** How often a wait looks who has been served, in milliseconds. */
const LOOK_MS = 100;

/** Who asks: an address, and what it sends. HAProxy's `agent-send` tells two lines apart. */
export interface Asker {
  readonly address: string;
  readonly sent: string;
}

/** A poller as `show pollers` tells of it. */
export interface PollerReport extends Asker {
  /** Seconds since its last check. */
  readonly age: number;
  /** What it was told last; null when it is not known whether it has got a reply. */
  readonly reply: string | null;
  /** Whether that is the present reply. */
  readonly isServed: boolean;
}

interface Poller extends Asker {
  readonly told: string | undefined;
  readonly at: number;
  /** Times between its last checks (ms): the latest, and the one before. */
  readonly gaps: readonly [number, number];
}

/** What a wait is about. */
export interface WaitOptions {
  /** The service whose pollers count; undefined: all pollers. */
  readonly name?: string | undefined;
  /** How long it may take, in seconds. */
  readonly seconds: number;
  /** How many pollers there are, if that is known. */
  readonly count?: number | undefined;
  /** Whether somebody still waits for the answer. */
  readonly isWanted?: () => boolean;
}

/** How a wait ended. */
export interface WaitResult {
  /** Why it cannot be said that all know; undefined: all do. */
  readonly problem: string | undefined;
  /** The pollers that count. */
  readonly pollers: readonly PollerReport[];
  /** How long it took, in seconds. */
  readonly seconds: number;
}

/**
 * Who has been told what. It fails closed: nobody counts as told who may not have been. HAProxy
 * keeps the last reply for ever, so a poller that was not served the present one is required until
 * it is, or until an operator says that it is gone (`forget`). The pollers of a service
 * that is gone stay too: the present reply says that there is none.
 */
export class Pollers {
  readonly #services: Services;
  /** By address and what was sent, in the order of their last check, the oldest first. */
  readonly #pollers = new Map<string, Poller>();
  readonly #startedAt = performance.now();
  /** When one that may still ask could not be remembered for want of room. */
  #overflowedAt = Number.NEGATIVE_INFINITY;

  constructor(services: Services) {
    this.#services = services;
  }

  /** Notes a check: what the asker was told; undefined when it may not have got it. */
  record(asker: Asker, told: string | undefined): void {
    const key = `${asker.address} ${asker.sent}`;
    const now = performance.now();
    const known = this.#pollers.get(key);
    // Who asks for what never was a service is no load balancer that anybody waits for.
    if (!known && !this.#services.find(asker.sent)) return;
    this.#pollers.delete(key);
    const gaps = known ? ([now - known.at, known.gaps[0]] as const) : ([0, 0] as const);
    if (!known && !this.#makeRoom(now)) return;
    this.#pollers.set(key, { ...asker, told, at: now, gaps });
  }

  /** Forgets the pollers of an address, whatever they were told; returns how many they were. */
  forget(address: string): number {
    const keys = [...this.#pollers].flatMap(([key, poller]) =>
      poller.address === address ? [key] : [],
    );
    for (const key of keys) this.#pollers.delete(key);
    return keys.length;
  }

  /**
   * Forgets those that were served and ask no more. To be called before a reply changes: those that
   * still ask are then required to get the new one.
   */
  forgetSilent(): void {
    const now = performance.now();
    for (const [key, poller] of this.#pollers) {
      if (now - poller.at > MEMORY_MS && this.#isServed(poller)) this.#pollers.delete(key);
    }
  }

  /** The pollers of a service, or all. */
  list(name?: string): PollerReport[] {
    this.forgetSilent();
    const now = performance.now();
    return this.#of(name).map((poller) => ({
      address: poller.address,
      sent: poller.sent,
      age: Math.round(now - poller.at) / 1000,
      reply: poller.told ?? null,
      isServed: this.#isServed(poller),
    }));
  }

  /**
   * Waits until every poller of a service, or every one, is known to have the present reply. It
   * looks ten times a second, so that a check costs nothing more meanwhile.
   */
  async wait(options: WaitOptions): Promise<WaitResult> {
    const start = performance.now();
    const end = start + options.seconds * 1000;
    for (;;) {
      const problem = this.#findProblem(options);
      const now = performance.now();
      if (problem === undefined || now >= end || options.isWanted?.() === false) {
        const seconds = Math.round((now - start) / 100) / 10;
        return { problem, pollers: this.list(options.name), seconds };
      }
      await Bun.sleep(Math.min(end - now, LOOK_MS));
    }
  }

  /**
   * Like `wait`, for the end of the agent: where nobody has asked in all the time that it takes to
   * know the pollers, there is nobody to tell.
   */
  async tellAll(seconds: number): Promise<void> {
    const isAlone = () =>
      this.#pollers.size === 0 && performance.now() - this.#startedAt > LEARNING_MS;
    await this.wait({ seconds, isWanted: () => !isAlone() });
  }

  /** Why it cannot be said now that all pollers know; undefined when it can. */
  #findProblem({ name, count }: WaitOptions): string | undefined {
    this.forgetSilent();
    const now = performance.now();
    const services = name === undefined ? this.#services : this.#services.get(name);
    if (services === undefined) return "it is no service any more";
    const pollers = this.#of(name);
    if (now - this.#overflowedAt < MEMORY_MS) {
      return `more than ${POLLER_LIMIT} pollers: not all of them are known`;
    }
    if (pollers.length === 0) return "no load balancer has asked";
    const missing = pollers.filter((poller) => !this.#isServed(poller));
    if (missing.length > 0) return `not served to ${missing.length} of ${pollers.length}`;
    if (count !== undefined && pollers.length < count) {
      return `only ${pollers.length} of ${count} pollers have asked`;
    }
    // The pollers of a new service are not known either.
    const listened = now - Math.max(this.#startedAt, services.addedAt);
    if (count === undefined && listened < LEARNING_MS) {
      const [past, needed] = [toSeconds(listened), toSeconds(LEARNING_MS)];
      return `the agent has listened for ${past} s only, and knows its pollers after ${needed} s`;
    }
    // Two load balancers behind one address, with one agent-send, look like one: both have asked
    // once an interval has passed.
    const interval = Math.max(DEFAULT_INTERVAL_MS, ...pollers.flatMap(({ gaps }) => gaps));
    if (now - services.changedAt < interval) {
      return `less than one check interval (${toSeconds(interval)} s) has passed since the change`;
    }
    return undefined;
  }

  #of(name: string | undefined): Poller[] {
    const pollers = [...this.#pollers.values()];
    if (name === undefined) return pollers;
    return pollers.filter(({ sent }) => this.#services.find(sent)?.name === name);
  }

  #isServed({ sent, told }: Poller): boolean {
    return told === this.#services.answer(sent).text;
  }

  /** Whether there is room for one more; one that was not served is never dropped for it. */
  #makeRoom(now: number): boolean {
    if (this.#pollers.size < POLLER_LIMIT) return true;
    for (const [key, poller] of this.#pollers) {
      if (!this.#isServed(poller)) continue;
      // It may ask again, and would not be missed after the next change.
      if (now - poller.at <= MEMORY_MS) this.#overflowedAt = now;
      this.#pollers.delete(key);
      return true;
    }
    this.#overflowedAt = now;
    return false;
  }
}

function toSeconds(milliseconds: number): number {
  return Math.round(milliseconds / 100) / 10;
}
