/** How many of the last gaps between checks are remembered. */
const GAPS = 8;

/**
 * Load balancers that look alike are told within this time (ms): HAProxy's default `agent-inter`
 * of 2 s, and a check.
 */
export const ALIKE_MS = 2500;

/** A silence that is longer than this (ms), and so many of the longest gaps, is an outage. */
const OUTAGE_MS = 500;
const OUTAGE = 1.5;

/** What has come so often in a row (times), each within ALIKE_MS of the one before, is no outage. */
const REGULAR = 3;

/** Gaps that differ by more than this are those of several load balancers. */
const IRREGULAR = 0.6;

/** The gaps between the checks of a poller, and what they tell (ms). */
export class Rhythm {
  /** From when to when it was silent: an outage, or several so close that one has not asked between. */
  #brokeAt = Number.NEGATIVE_INFINITY;
  #resumedAt = Number.NEGATIVE_INFINITY;
  /** The last ones. */
  readonly #gaps: number[] = [];
  /** When a silence ended last that may be an outage, and how many came before it in a row. */
  #silenceAt = Number.NEGATIVE_INFINITY;
  #silences = 0;

  /** The interval: the longest gap, one over three times the median left out; 0: not known. */
  get interval(): number {
    const gaps = this.#gaps.toSorted((a, b) => a - b);
    const median = gaps[gaps.length >> 1] ?? 0;
    return gaps.findLast((gap) => gap <= 3 * median) ?? 0;
  }

  get longest(): number {
    return Math.max(0, ...this.#gaps);
  }

  /** Notes a gap that has just ended. */
  add(gap: number, now: number): void {
    const gaps = this.#gaps;
    if (gaps.length > 0 && gap > OUTAGE_MS && gap > OUTAGE * this.longest) {
      // Many that ask in a bunch are silent in every interval.
      this.#silences = now - this.#silenceAt < ALIKE_MS ? this.#silences + 1 : 0;
      this.#silenceAt = now;
      if (this.#silences < REGULAR) this.#resume(now - gap, now);
    }
    gaps.push(gap);
    if (gaps.length > GAPS) gaps.shift();
  }

  /**
   * From when on all that look alike have asked since a change. An outage holds that up only where
   * it began before: later ones find them told.
   */
  settledAt(changedAt: number): number {
    const at = changedAt + ALIKE_MS;
    return this.#brokeAt < at ? Math.max(at, this.#resumedAt + ALIKE_MS) : at;
  }

  /**
   * Whether several that look alike, as their irregular gaps show, have all been silent since so
   * soon after a change that perhaps not all of them have asked.
   */
  brokeOff(askedAt: number, changedAt: number, now: number): boolean {
    const allAt = this.settledAt(changedAt);
    const { longest } = this;
    const areSeveral = Math.min(...this.#gaps) < IRREGULAR * longest;
    return areSeveral && now >= allAt && askedAt < allAt - OUTAGE * longest;
  }

  /** Notes an outage that has just ended: others that look like it have yet to ask. */
  #resume(from: number, now: number): void {
    if (from >= this.#resumedAt + ALIKE_MS) this.#brokeAt = from;
    this.#resumedAt = now;
  }
}
