/** Runs jobs one after another, each to its end, in the order in which they came. */
export class Queue<Shared = never> {
  #last: Promise<unknown> = Promise.resolve();
  #shared: Promise<Shared> | undefined;

  /** Runs a job after all before it, and returns its result. */
  run<T>(job: () => Promise<T> | T): Promise<T> {
    // What comes after this job is not shared with what came before it.
    this.#shared = undefined;
    const result = this.#last.then(job);
    this.#last = result.catch(() => undefined);
    return result;
  }

  /**
   * Runs a job that those who ask for it before it has begun share. Those who ask while it runs, or
   * after another job, get the next one, because it may have passed what they want it to see.
   */
  share(job: () => Promise<Shared>): Promise<Shared> {
    if (this.#shared !== undefined) return this.#shared;
    const shared = this.run(() => {
      if (this.#shared === shared) this.#shared = undefined;
      return job();
    });
    this.#shared = shared;
    return shared;
  }
}
