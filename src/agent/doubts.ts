/** How many different replies that may have been heard are told apart. */
const LIMIT = 8;

/** A reply that was written, and that may have been heard. */
export interface Doubt {
  /** Undefined: several, none of which is told apart any more. */
  readonly reply: string | undefined;
  /** When it was written (ms); of the same reply last. */
  readonly at: number;
}

/** What may have been heard: each reply from its last byte on, until it is known better. */
export class Doubts {
  /** Those whose check is open. */
  readonly #open = new Set<Doubt>();
  /** Those whose check is over: when each reply was written last. */
  readonly #over = new Map<Doubt["reply"], number>();

  add(doubt: Doubt): void {
    this.#open.add(doubt);
  }

  /** Its check is over, and it is known whether it was heard, or by whom. */
  delete(doubt: Doubt): void {
    this.#open.delete(doubt);
  }

  /** Its check is over, and nothing else is known. */
  keep(doubt: Doubt): void {
    this.#open.delete(doubt);
    const over = this.#over;
    over.set(doubt.reply, Math.max(doubt.at, over.get(doubt.reply) ?? doubt.at));
    if (over.size <= LIMIT) return;
    const last = Math.max(...over.values());
    over.clear();
    over.set(undefined, last);
  }

  /** One line asks one after another: what was written before has been heard before, if at all. */
  clear(until: number): void {
    for (const [reply, at] of this.#over) if (at <= until) this.#over.delete(reply);
  }

  /** What may have been heard after a time, or may be yet. */
  after(time: number): Doubt[] {
    const over = [...this.#over].map(([reply, at]) => ({ reply, at }));
    return [...over.filter(({ at }) => at > time), ...this.#open];
  }
}
