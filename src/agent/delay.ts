/** Does something with each item after the same time, in their order; one timer serves them all. */
export class Delay<T> {
  readonly #milliseconds: number;
  readonly #now: () => number;
  readonly #run: (item: T) => void;
  readonly #items: { readonly item: T; readonly due: number }[] = [];

  /** @param now milliseconds of a monotonic clock. */
  constructor(milliseconds: number, now: () => number, run: (item: T) => void) {
    this.#milliseconds = milliseconds;
    this.#now = now;
    this.#run = run;
  }

  add(item: T): void {
    this.#items.push({ item, due: this.#now() + this.#milliseconds });
    if (this.#items.length === 1) setTimeout(() => this.#runDue(), this.#milliseconds);
  }

  #runDue(): void {
    let next = this.#items[0];
    // A timer may be early by a part of a millisecond.
    while (next && next.due - this.#now() < 0.5) {
      this.#items.shift();
      this.#run(next.item);
      next = this.#items[0];
    }
    if (next) setTimeout(() => this.#runDue(), next.due - this.#now());
  }
}
