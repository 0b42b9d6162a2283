/** A poller that has not asked for so long (ms) is forgotten. */
const MEMORY_MS = 60_000;

/** So many pollers are remembered; beyond, the one that asked longest ago is forgotten. */
const LIMIT = 256;

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
  readonly #waiting = new Set<() => void>();

  /** Notes that an address has just been served a reply; without an address nobody was. */
  record(address: string | undefined, reply: string): void {
    if (address === undefined) return;
    this.#served.delete(address);
    this.#served.set(address, { at: performance.now(), reply });
    for (const oldest of this.#served.keys()) {
      if (this.#served.size <= LIMIT) break;
      this.#served.delete(oldest);
    }
    for (const check of this.#waiting) check();
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
   * Waits until all known pollers have been served the present reply, for so many seconds at most.
   *
   * @returns those that have not; none when all have.
   */
  async waitFor(presentReply: () => string, seconds: number): Promise<Poller[]> {
    const missing = () => this.list().filter(({ reply }) => reply !== presentReply());
    if (missing().length === 0) return [];
    await new Promise<void>((resolve) => {
      const check = () => {
        if (missing().length === 0) end();
      };
      const end = () => {
        this.#waiting.delete(check);
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(end, seconds * 1000);
      this.#waiting.add(check);
    });
    return missing();
  }
}
