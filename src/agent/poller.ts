import type { Named } from "../named-pollers.ts";
import { type Doubt, Doubts } from "./doubts.ts";
import { Rhythm } from "./rhythm.ts";

/** After this many checks, and one that was served, a poller is a load balancer. */
export const KNOWN_AFTER = 3;

/** Checks, and those that were served, are counted at most once in this time (ms). */
const COUNTING_MS = 1000;

/**
 * How long after its reply a client closes that has read it (ms). HAProxy does so at once. Where its
 * agent check is disabled while it is under way, it closes as cleanly at its timeout, and takes
 * nothing from the reply.
 */
const READING_MS = 700;

/** Who asks: an address, and what it sends. HAProxy's `agent-send` tells two lines apart. */
export interface Asker {
  readonly address: string;
  readonly sent: string;
}

/**
 * A poller, and what it was told. A reply that was written may have been heard; that it was heard
 * is certain when the client closed cleanly after it.
 */
export class Poller {
  /** When it asked last (ms). */
  askedAt: number;
  /** How often it has asked and was served, at most once a second. */
  asks = 0;
  serves = 0;
  /** What it was told for certain, and when that was written (ms). */
  told: string | undefined;
  toldAt = Number.NEGATIVE_INFINITY;
  readonly rhythm = new Rhythm();
  /** What was written to it. */
  readonly written = new Doubts();
  /** What was written to checks of its address that had sent nothing: any line may have heard it. */
  shared: Doubts | undefined;
  #countedAt = Number.NEGATIVE_INFINITY;
  #servedAt = Number.NEGATIVE_INFINITY;
  /** Whether it has closed late the last time. */
  #wasLate: boolean = false;

  /**
   * @param named The entry of HAPGENT_POLLERS that its address belongs to; without it does not count.
   * @param since When it asks first (ms).
   */
  constructor(
    readonly address: string,
    readonly sent: string,
    readonly named: Named | undefined,
    readonly since: number,
  ) {
    this.askedAt = since;
  }

  /** Whether it has asked often enough, and was served, to be taken for a load balancer. */
  get isKnown(): boolean {
    return this.asks >= KNOWN_AFTER && this.serves > 0;
  }

  /** Whether it has an entry of HAPGENT_POLLERS of its own, not that of a network. */
  get isNamed(): boolean {
    return this.named !== undefined && this.named.addresses.length > 0;
  }

  /** Whether it is a load balancer, for good: it is named, or may count and is known. */
  get isBalancer(): boolean {
    return this.isNamed || (this.named !== undefined && this.isKnown);
  }

  /** What may have been heard after the one that it was told, or may be yet; the oldest first. */
  get doubts(): Doubt[] {
    const doubts = [...this.written.after(this.toldAt), ...(this.shared?.after(this.toldAt) ?? [])];
    return doubts.toSorted((one, other) => one.at - other.at);
  }

  /** How often it asks (ms); 0: not known. */
  get interval(): number {
    return this.rhythm.interval;
  }

  /** Notes that it asks. */
  ask(now: number): void {
    if (this.asks > 0) this.rhythm.add(now - this.askedAt, now);
    this.askedAt = now;
    if (now - this.#countedAt < COUNTING_MS) return;
    this.asks += 1;
    this.#countedAt = now;
  }

  /**
   * Notes that it has closed cleanly so long after a reply (ms); tells whether it has read that. One
   * that is late once more is slow, or far away.
   */
  close(after: number): boolean {
    const wasLate = this.#wasLate;
    this.#wasLate = after >= READING_MS;
    return wasLate || !this.#wasLate;
  }

  /** Notes that it was told, for certain, what was written then. */
  serve({ reply, at }: Doubt, now: number): void {
    if (now - this.#servedAt >= COUNTING_MS) {
      this.serves += 1;
      this.#servedAt = now;
    }
    if (at < this.toldAt) return;
    this.told = reply;
    this.toldAt = at;
    this.written.clear(at);
  }

  /** Whether this reply, and none other since, is all that it can have heard. */
  isTold(reply: string): boolean {
    return this.told === reply && this.hasHeardOnly(reply);
  }

  /** Whether it can have heard nothing but this reply. */
  hasHeardOnly(reply: string): boolean {
    return (this.told ?? reply) === reply && this.doubts.every((doubt) => doubt.reply === reply);
  }
}
