interface Event {
  readonly at: number;
  readonly order: number;
  readonly happen: (now: number) => void;
}

/** What happens when, in ms: a heap, the earliest first; of the same time what was added first. */
export class Timeline {
  now = 0;
  readonly #heap: Event[] = [];
  #order = 0;

  at(at: number, happen: (now: number) => void): void {
    const event = { at: Math.max(at, this.now), order: this.#order, happen };
    this.#order += 1;
    const heap = this.#heap;
    let i = heap.length;
    heap.push(event);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent];
      if (!above || isBefore(above, event)) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = event;
  }

  /** Lets everything happen up to an end. */
  run(end: number): void {
    for (let next = this.#heap[0]; next && next.at <= end; next = this.#heap[0]) {
      this.#removeFirst();
      this.now = next.at;
      next.happen(next.at);
    }
    this.now = end;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      const [left, right] = [heap[child], heap[child + 1]];
      if (!left) break;
      if (right && isBefore(right, left)) child += 1;
      const least = heap[child];
      if (!least || isBefore(last, least)) break;
      heap[i] = least;
      i = child;
    }
    heap[i] = last;
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
