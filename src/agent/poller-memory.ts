import { Doubts } from "./doubts.ts";
import type { Asker, Poller } from "./poller.ts";

/** The most pollers that are remembered. */
export const POLLER_LIMIT = 4096;

/** How long it counts that there was no room for a poller (ms). */
const FULL_MS = 60_000;

/** How many of the oldest that are no load balancers are looked at for one that makes room. */
const ROOM_LOOKS = 8;

/** The pollers that are remembered. */
export class PollerMemory {
  /** By address and what was sent. */
  readonly #all = new Map<string, Poller>();
  /** Those that are no load balancers yet, in the order of their last check, the oldest first. */
  readonly #others = new Set<Poller>();
  /** Those that can never be one, in the same order: they make room first. */
  readonly #unnamed = new Set<Poller>();
  readonly #byAddress = new Map<string, Poller[]>();
  #fullAt = Number.NEGATIVE_INFINITY;

  get size(): number {
    return this.#all.size;
  }

  /** The load balancers come first. */
  *[Symbol.iterator](): Generator<Poller, undefined> {
    for (const poller of this.#all.values()) if (!this.#listOf(poller).has(poller)) yield poller;
    yield* this.#others;
    yield* this.#unnamed;
  }

  get(asker: Asker): Poller | undefined {
    return this.#all.get(keyOf(asker));
  }

  /** Notes that one has asked, or has become a load balancer, which makes room for nobody. */
  place(poller: Poller): void {
    const list = this.#listOf(poller);
    if (list.delete(poller) && !poller.isBalancer) list.add(poller);
  }

  /** All lines of an address. */
  at(address: string): readonly Poller[] {
    return this.#byAddress.get(address) ?? [];
  }

  /** Where it is in doubt what was written to an address before it had sent anything. */
  shared(address: string): Doubts | undefined {
    const lines = this.at(address);
    const [first] = lines;
    if (first && !first.shared) {
      const shared = new Doubts();
      for (const line of lines) line.shared = shared;
    }
    return first?.shared;
  }

  /** Remembers a new one, in place of the oldest stranger if need be; or says that it is full. */
  add(poller: Poller, isStranger: (poller: Poller) => boolean, now: number): boolean {
    if (this.size >= POLLER_LIMIT && !this.#makeRoom(poller, isStranger)) {
      // Nobody waits for one that is not named.
      if (poller.named) this.#fullAt = now;
      return false;
    }
    this.#all.set(keyOf(poller), poller);
    if (!poller.isBalancer) this.#listOf(poller).add(poller);
    const beside = this.#byAddress.get(poller.address);
    if (beside) beside.push(poller);
    else this.#byAddress.set(poller.address, [poller]);
    return true;
  }

  /** Forgets one that is remembered. */
  remove(poller: Poller): void {
    this.#all.delete(keyOf(poller));
    this.#listOf(poller).delete(poller);
    // In place: all may have one address, and then each check of a flood forgets one.
    const left = this.#byAddress.get(poller.address) ?? [];
    left.splice(left.indexOf(poller), 1);
    const { length } = left;
    if (length === 0) this.#byAddress.delete(poller.address);
    // What was longer keeps its memory: from time to time it is made anew.
    else if ((length & (length - 1)) === 0) this.#byAddress.set(poller.address, [...left]);
  }

  /** Whether one that may count was not remembered for want of room. */
  isFull(now: number): boolean {
    return now - this.#fullAt < FULL_MS;
  }

  #listOf({ named }: Poller): Set<Poller> {
    return named ? this.#others : this.#unnamed;
  }

  /** Forgets the oldest stranger; one that is not named pushes out nobody that may count. */
  #makeRoom({ named }: Poller, isStranger: (poller: Poller) => boolean): boolean {
    const [unnamed] = this.#unnamed;
    const gone = unnamed ?? (named && this.#others.values().take(ROOM_LOOKS).find(isStranger));
    if (gone) this.remove(gone);
    return gone !== undefined;
  }
}

function keyOf({ address, sent }: Asker): string {
  return `${address} ${sent}`;
}
