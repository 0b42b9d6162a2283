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
  #open: Doubt[] = [];
  /** Those whose check is over: each reply once, when it was written last. */
  #over: Doubt[] = [];

  add(doubt: Doubt): void {
    this.#open.push(doubt);
  }

  /** Its check is over, and it is known whether it was heard, or by whom. */
  delete(doubt: Doubt): void {
    this.#open = this.#open.filter((each) => each !== doubt);
  }

  /** Its check is over, and nothing else is known. */
  keep(doubt: Doubt): void {
    this.delete(doubt);
    const { reply } = doubt;
    const same = this.#over.find((each) => each.reply === reply);
    const at = Math.max(doubt.at, same?.at ?? doubt.at);
    this.#over = [...this.#over.filter((each) => each !== same), { reply, at }];
    if (this.#over.length <= LIMIT) return;
    this.#over = [{ reply: undefined, at: Math.max(...this.#over.map((each) => each.at)) }];
  }

  /** One line asks one after another: what was written before has been heard before, if at all. */
  clear(until: number): void {
    if (this.#over.length > 0) this.#over = this.#over.filter(({ at }) => at > until);
  }

  /** What may have been heard after a time, or may be yet. */
  after(time: number): Doubt[] {
    return [...this.#over.filter(({ at }) => at > time), ...this.#open];
  }
}
