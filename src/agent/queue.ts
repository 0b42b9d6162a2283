/** Runs jobs one after another, each to its end, in the order in which they came. */
export class Queue {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs a job after all before it, and returns its result. */
  run<T>(job: () => Promise<T> | T): Promise<T> {
    const result = this.#last.then(job);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

/**
 * A job that runs once at a time. Those who ask for it before it has begun share it; those who ask
 * while it runs get the next one, because it may have passed what they want it to see.
 */
export class Shared<T> {
  readonly #queue = new Queue();
  readonly #job: () => Promise<T>;
  #next: Promise<T> | undefined;

  constructor(job: () => Promise<T>) {
    this.#job = job;
  }

  run(): Promise<T> {
    this.#next ??= this.#queue.run(() => {
      this.#next = undefined;
      return this.#job();
    });
    return this.#next;
  }
}
