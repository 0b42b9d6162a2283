import type { Poller } from "./poller.ts";

/** The most pollers that are remembered. */
export const POLLER_LIMIT = 4096;

/** The silence after which one that is no load balancer is forgotten (ms). */
const MEMORY_MS = 600_000;

/** How long it counts that there was no room for a poller (ms). */
const FULL_MS = 60_000;

/** How many of the oldest strangers are looked at for one that makes room. */
const ROOM_LOOKS = 8;

/** The pollers that are remembered: load balancers for good, all others while they ask. */
export class PollerMemory {
  /** By address and what was sent. */
  readonly #balancers = new Map<string, Poller>();
  /** In the order of their last check, the oldest first. */
  readonly #others = new Map<string, Poller>();
  readonly #byAddress = new Map<string, Poller[]>();
  #fullAt = Number.NEGATIVE_INFINITY;

  get size(): number {
    return this.#balancers.size + this.#others.size;
  }

  *[Symbol.iterator](): Generator<Poller, undefined> {
    yield* this.#balancers.values();
    yield* this.#others.values();
  }

  /** One that asks now. */
  get(address: string, sent: string): Poller | undefined {
    const key = keyOf(address, sent);
    const balancer = this.#balancers.get(key);
    if (balancer) return balancer;
    const other = this.#others.get(key);
    if (other) {
      this.#others.delete(key);
      this.#others.set(key, other);
    }
    return other;
  }

  /** Whether it is remembered, and was not forgotten. */
  has(poller: Poller): boolean {
    const key = keyOf(poller.address, poller.sent);
    return (this.#balancers.get(key) ?? this.#others.get(key)) === poller;
  }

  /** All lines of an address. */
  at(address: string): readonly Poller[] {
    return this.#byAddress.get(address) ?? [];
  }

  /** Remembers a new one, in place of the oldest stranger if need be; or says that it is full. */
  add(poller: Poller, isStranger: (poller: Poller) => boolean, now: number): boolean {
    if (this.size >= POLLER_LIMIT) {
      const stranger = this.#others.values().take(ROOM_LOOKS).find(isStranger);
      if (!stranger) {
        this.#fullAt = now;
        return false;
      }
      this.remove(stranger);
    }
    this.#others.set(keyOf(poller.address, poller.sent), poller);
    const beside = this.#byAddress.get(poller.address);
    if (beside) beside.push(poller);
    else this.#byAddress.set(poller.address, [poller]);
    return true;
  }

  /** Remembers one as a load balancer: it makes room for nobody. */
  keep(poller: Poller): void {
    poller.isKept = true;
    const key = keyOf(poller.address, poller.sent);
    // It may have been forgotten, and be another one by now.
    if (this.#others.get(key) !== poller) return;
    this.#others.delete(key);
    this.#balancers.set(key, poller);
  }

  remove(poller: Poller): void {
    const key = keyOf(poller.address, poller.sent);
    if (!this.#balancers.delete(key) && !this.#others.delete(key)) return;
    const left = this.at(poller.address).filter((each) => each !== poller);
    if (left.length > 0) this.#byAddress.set(poller.address, left);
    else this.#byAddress.delete(poller.address);
  }

  /** Forgets those that are no load balancers and have been silent for long. */
  expire(now: number): void {
    for (const poller of this.#others.values()) {
      if (now - poller.askedAt < MEMORY_MS) return;
      this.remove(poller);
    }
  }

  /** Whether one that may count was not remembered for want of room. */
  isFull(now: number): boolean {
    return now - this.#fullAt < FULL_MS;
  }
}

function keyOf(address: string, sent: string): string {
  return `${address} ${sent}`;
}
