import type { Named } from "../named-pollers.ts";

/** After this many checks, and one that was served, a poller is a load balancer. */
export const KNOWN_AFTER = 3;

/** Checks, and those that were served, are counted at most once in this time (ms). */
const COUNTING_MS = 1000;

/** How many of the last gaps between checks make the interval. */
const GAPS = 8;

/**
 * Load balancers that look alike are told within this time (ms): HAProxy's default `agent-inter`
 * of 2 s, and a check.
 */
export const ALIKE_MS = 2500;

/** A silence that is longer than this (ms), and so many intervals, was an outage. */
const OUTAGE_MS = 500;
const OUTAGE = 1.5;

/** Gaps that differ by more than this are those of several load balancers. */
const IRREGULAR = 0.6;

/** How many different replies that may have been heard are told apart. */
const DOUBTS = 8;

/** Who asks: an address, and what it sends. HAProxy's `agent-send` tells two lines apart. */
export interface Asker {
  readonly address: string;
  /** Undefined: the reply was written before it was read. */
  readonly sent: string | undefined;
}

/** A reply that was written, and that may have been heard. */
export interface WrittenReply {
  readonly poller: Poller;
  readonly number: number;
  readonly at: number;
  /** Undefined: several, none of which is told apart any more. */
  reply: string | undefined;
  isOpen: boolean;
}

/**
 * A poller, and what it was told. A reply that was written may have been heard; that it was heard
 * is certain when the client closed cleanly after it.
 */
export class Poller {
  readonly address: string;
  readonly sent: string;
  /** The entry of HAPGENT_POLLERS that its address belongs to. */
  readonly named: Named | undefined;
  /** When it asked first (ms). */
  readonly since: number;
  /** When it asked last (ms). */
  askedAt: number;
  /** How often it has asked and was served, at most once a second. */
  asks = 0;
  serves = 0;
  /** What it was told for certain, and when that was written (ms). */
  told: string | undefined;
  toldAt = 0;
  /** When it asked again after an outage (ms): others that look like it have yet to ask. */
  resumedAt = Number.NEGATIVE_INFINITY;
  /** Whether it is remembered for good. */
  isKept = false;
  /** Whether the log has it, as one that does not count. */
  isLogged = false;
  /** Replies that may have been heard after the one that it was told, or whose check is open. */
  readonly doubts: WrittenReply[] = [];
  /** How many of them are not open. */
  #closedDoubts = 0;
  #number = 0;
  #confirmed = 0;
  #countedAt = Number.NEGATIVE_INFINITY;
  #servedAt = Number.NEGATIVE_INFINITY;
  readonly #gaps: number[] = [];
  #gap = 0;

  constructor(address: string, sent: string, named: Named | undefined, now: number) {
    this.address = address;
    this.sent = sent;
    this.named = named;
    this.since = now;
    this.askedAt = now;
  }

  /** Whether it has asked often enough, and was served, to be taken for a load balancer. */
  get isKnown(): boolean {
    return this.asks >= KNOWN_AFTER && this.serves > 0;
  }

  /** The longest of its last gaps between checks (ms), one over three times the median left out. */
  get interval(): number {
    const gaps = this.#gaps.toSorted((a, b) => a - b);
    const median = gaps[gaps.length >> 1] ?? 0;
    return gaps.findLast((gap) => gap <= 3 * median) ?? 0;
  }

  /** The longest of its last gaps between checks (ms). */
  get longestGap(): number {
    return Math.max(0, ...this.#gaps);
  }

  /**
   * Whether several that look alike, as their irregular gaps show, have all been silent since so
   * soon after a change that perhaps not all of them have asked.
   */
  fellSilent(changedAt: number, now: number): boolean {
    const allAt = Math.max(changedAt, this.resumedAt) + ALIKE_MS;
    if (now < allAt || this.askedAt >= allAt || this.#gaps.length < GAPS) return false;
    const longest = this.longestGap;
    const areSeveral = Math.min(...this.#gaps) < IRREGULAR * longest;
    return areSeveral && this.askedAt < allAt - Math.max(OUTAGE_MS, OUTAGE * longest);
  }

  /** Notes that it asks. */
  ask(now: number): void {
    if (this.asks > 0) this.#addGap(now - this.askedAt, now);
    this.askedAt = now;
    if (now - this.#countedAt < COUNTING_MS) return;
    this.asks += 1;
    this.#countedAt = now;
  }

  /** Notes a reply that was written: from now on it may have been heard. */
  write(reply: string, now: number): WrittenReply {
    this.#number += 1;
    const written = { poller: this, number: this.#number, at: now, reply, isOpen: true };
    this.doubts.push(written);
    return written;
  }

  /** Notes how a check ended: only a clean close after the whole reply says that it was heard. */
  close(written: WrittenReply, isServed: boolean, now: number): void {
    written.isOpen = false;
    if (isServed) this.#confirm(written, now);
    const { doubts } = this;
    // Most checks are served, and nothing is left to doubt: no need to look at all that are open.
    if (this.#closedDoubts === 0 && written.number <= this.#confirmed) {
      doubts.splice(doubts.indexOf(written), 1);
      return;
    }
    // One line asks one after another: what was written before has been heard before, if at all.
    const stays = (doubt: WrittenReply, i: number) =>
      doubt.isOpen || (doubt.number > this.#confirmed && !this.#isRepeated(doubt, i));
    const kept = doubts.filter(stays);
    doubts.splice(0, doubts.length, ...kept);
    this.#limitDoubts();
    this.#closedDoubts = doubts.filter(({ isOpen }) => !isOpen).length;
  }

  /** Whether this reply, and none other since, is all that it can have heard. */
  isTold(reply: string): boolean {
    return this.told === reply && this.doubts.every((doubt) => doubt.reply === reply);
  }

  /** Whether it can have heard nothing but this reply. */
  hasHeardOnly(reply: string): boolean {
    return (this.told ?? reply) === reply && this.doubts.every((doubt) => doubt.reply === reply);
  }

  #confirm({ number, reply, at }: WrittenReply, now: number): void {
    if (now - this.#servedAt >= COUNTING_MS) {
      this.serves += 1;
      this.#servedAt = now;
    }
    if (number < this.#confirmed) return;
    this.#confirmed = number;
    this.told = reply;
    this.toldAt = at;
  }

  /** Whether a later reply that may have been heard, and is not open, was the same. */
  #isRepeated({ reply }: WrittenReply, index: number): boolean {
    return this.doubts.some((doubt, i) => i > index && !doubt.isOpen && doubt.reply === reply);
  }

  #limitDoubts(): void {
    const closed = this.doubts.filter(({ isOpen }) => !isOpen);
    if (closed.length <= DOUBTS) return;
    for (const doubt of closed) doubt.reply = undefined;
    const last = closed.at(-1);
    const kept = this.doubts.filter((doubt) => doubt.isOpen || doubt === last);
    this.doubts.splice(0, this.doubts.length, ...kept);
  }

  #addGap(gap: number, now: number): void {
    const gaps = this.#gaps;
    const limit = gaps.length < GAPS ? ALIKE_MS : OUTAGE_MS;
    const before = gaps[(this.#gap - 1) % GAPS] ?? gap;
    // Most gaps are like the one before: no need to look at all of them.
    const isLong = gap > limit && gap > OUTAGE * before;
    if (isLong && gap > OUTAGE * this.longestGap) this.resumedAt = now;
    gaps[this.#gap % GAPS] = gap;
    this.#gap += 1;
  }
}
