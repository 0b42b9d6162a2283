/** A poller that has not asked for so long (ms) is forgotten. */
const MEMORY_MS = 60_000;

/** So many pollers are remembered; beyond, the one that asked longest ago is forgotten. */
const LIMIT = 256;

/** How often a wait looks who has been served, in milliseconds. */
const LOOK_MS = 100;

/** Who asked, when, and which reply it got last. */
export interface Poller {
  readonly address: string;
  /** Seconds since it asked. */
  readonly age: number;
  readonly reply: string;
}

/** Remembers the addresses that asked in the last minute, at most 256. */
export class Pollers {
  /** In the order of their last check, the oldest first. */
  readonly #served = new Map<string, { at: number; reply: string }>();

  /** Notes that an address has just been served a reply; without an address nobody was. */
  record(address: string | undefined, reply: string): void {
    if (address === undefined) return;
    this.#served.delete(address);
    this.#served.set(address, { at: performance.now(), reply });
    for (const oldest of this.#served.keys()) {
      if (this.#served.size <= LIMIT) break;
      this.#served.delete(oldest);
    }
  }

  /** The pollers of the last minute. */
  list(): Poller[] {
    const now = performance.now();
    for (const [address, { at }] of this.#served) {
      if (now - at <= MEMORY_MS) break;
      this.#served.delete(address);
    }
    return Array.from(this.#served, ([address, { at, reply }]) => {
      return { address, age: Math.round(now - at) / 1000, reply };
    });
  }

  /**
   * Waits until all known pollers have been served the present reply, for so many seconds at most,
   * and no longer than somebody wants to know. It looks ten times a second: a check costs nothing
   * more meanwhile, and pollers that ask no more are forgotten in time.
   *
   * @returns those that have not; none when all have.
   */
  async waitFor(
    presentReply: () => string,
    seconds: number,
    isWanted = () => true,
  ): Promise<Poller[]> {
    const end = performance.now() + seconds * 1000;
    for (;;) {
      const present = presentReply();
      const missing = this.list().filter(({ reply }) => reply !== present);
      const left = end - performance.now();
      if (missing.length === 0 || left <= 0 || !isWanted()) return missing;
      await Bun.sleep(Math.min(left, LOOK_MS));
    }
  }
}
