import type { Named } from "../named-pollers.ts";
import { Rhythm } from "./rhythm.ts";

/** After this many checks, and one that was served, a poller is a load balancer. */
export const KNOWN_AFTER = 3;

/** Checks, and those that were served, are counted at most once in this time (ms). */
const COUNTING_MS = 1000;

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
  readonly at: number;
  /** Whether it was written to this poller: then a clean close says that it was heard. */
  readonly isCertain: boolean;
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
  toldAt = Number.NEGATIVE_INFINITY;
  readonly rhythm = new Rhythm();
  /** Whether the log has it, as one that does not count. */
  isLogged: boolean = false;
  /** Whether it is remembered as a load balancer, for good. */
  isKept: boolean = false;
  /**
   * Who takes the place of checks of its address that have sent nothing: each line of the address
   * may have heard what those were written.
   */
  silent: Poller | undefined;
  /** Its own replies that may have been heard, as `doubts` has them. */
  readonly #doubts: WrittenReply[] = [];
  /** How many of them are not open. */
  #closedDoubts = 0;
  #countedAt = Number.NEGATIVE_INFINITY;
  #servedAt = Number.NEGATIVE_INFINITY;

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

  /** Replies that may have been heard after the one that it was told, or whose check is open. */
  get doubts(): readonly WrittenReply[] {
    const isLater = ({ isOpen, at }: WrittenReply) => isOpen || at > this.toldAt;
    return [...this.#doubts, ...(this.silent?.doubts.filter(isLater) ?? [])];
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

  /** Notes a reply that was written: from then on it may have been heard. */
  write(reply: string, at: number, isCertain = true): WrittenReply {
    const written = { poller: this, at, isCertain, reply, isOpen: true };
    this.#doubts.push(written);
    return written;
  }

  /** Notes how a check ended: only a clean close after the whole reply says that it was heard. */
  close(written: WrittenReply, isServed: boolean, now: number): void {
    written.isOpen = false;
    const doubts = this.#doubts;
    // It has said whose it was by then, and is noted there.
    const isOver = isServed && !written.isCertain;
    if (isServed && !isOver) this.#confirm(written, now);
    // Most checks are served, and nothing is left to doubt: no need to look at all that are open.
    if (isOver || (this.#closedDoubts === 0 && written.at <= this.toldAt)) {
      doubts.splice(doubts.indexOf(written), 1);
      return;
    }
    // One line asks one after another: what was written before has been heard before, if at all.
    const stays = (doubt: WrittenReply, i: number) =>
      doubt.isOpen || (doubt.at > this.toldAt && !this.#isRepeated(doubt, i));
    doubts.splice(0, doubts.length, ...doubts.filter(stays));
    if (doubts.length > DOUBTS) this.#limitDoubts();
    this.#closedDoubts = doubts.filter(({ isOpen }) => !isOpen).length;
  }

  /** Whether this reply, and none other since, is all that it can have heard. */
  isTold(reply: string): boolean {
    return this.told === reply && this.hasHeardOnly(reply);
  }

  /** Whether it can have heard nothing but this reply. */
  hasHeardOnly(reply: string): boolean {
    return (this.told ?? reply) === reply && this.doubts.every((doubt) => doubt.reply === reply);
  }

  #confirm({ reply, at }: WrittenReply, now: number): void {
    if (now - this.#servedAt >= COUNTING_MS) {
      this.serves += 1;
      this.#servedAt = now;
    }
    if (at < this.toldAt) return;
    this.told = reply;
    this.toldAt = at;
  }

  /** Whether a later reply that may have been heard, and is not open, was the same. */
  #isRepeated({ reply }: WrittenReply, index: number): boolean {
    return this.#doubts.some((doubt, i) => i > index && !doubt.isOpen && doubt.reply === reply);
  }

  #limitDoubts(): void {
    const closed = this.#doubts.filter(({ isOpen }) => !isOpen);
    if (closed.length <= DOUBTS) return;
    for (const doubt of closed) doubt.reply = undefined;
    const last = closed.at(-1);
    const kept = this.#doubts.filter((doubt) => doubt.isOpen || doubt === last);
    this.#doubts.splice(0, this.#doubts.length, ...kept);
  }
}
