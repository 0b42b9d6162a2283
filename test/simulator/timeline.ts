interface Event {
  readonly at: number;
  readonly happen: (now: number) => void;
}

/** What happens when, in ms: the earliest first; of the same time what was added first. */
export class Timeline {
  now = 0;
  /** The next one is the last. */
  readonly #events: Event[] = [];

  at(at: number, happen: (now: number) => void): void {
    const event = { at: Math.max(at, this.now), happen };
    const events = this.#events;
    let [low, high] = [0, events.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((events[middle]?.at ?? 0) > event.at) low = middle + 1;
      else high = middle;
    }
    events.splice(low, 0, event);
  }

  /** Lets everything happen up to an end. */
  run(end: number): void {
    for (let next = this.#events.at(-1); next && next.at <= end; next = this.#events.at(-1)) {
      this.#events.pop();
      this.now = next.at;
      next.happen(next.at);
    }
    this.now = end;
  }
}
