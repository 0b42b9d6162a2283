/** What an event does; `T` is its result for whoever requested it. */
type Job<T> = () => Promise<T>;

/** What a signal asks for: to read the files again, or to set the status. */
export type SignalKind = "reload" | "set";

interface Event {
  readonly job: Job<unknown>;
  /** A signal's kind. A command has none: it is answered, so it is never left out. */
  readonly signal?: SignalKind;
}

/** Runs events one after another, each to its end, in the order in which they came. */
export class Events {
  /** Events that wait for the one that runs. */
  #waiting: Event[] = [];
  #running: Promise<void> | undefined;

  /** Queues what a signal asks for. */
  signal(kind: SignalKind, job: Job<unknown>): void {
    this.#waiting = coalesce([...this.#waiting, { job, signal: kind }]);
    this.#running ??= this.#run();
  }

  /** Runs a job after all events before it, and returns its result. */
  request<T>(job: Job<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#waiting.push({ job: () => job().then(resolve, reject) });
    this.#running ??= this.#run();
    return promise;
  }

  /** Resolves when no event runs or waits. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let event = this.#waiting.shift(); event; event = this.#waiting.shift()) {
      await event.job();
    }
    this.#running = undefined;
  }
}

/**
 * Leaves out signals that have no effect: of two of one kind in a row the first, and of four that
 * alternate (set, reload, set, reload) the first two. So a storm of signals costs three saves, not
 * thousands.
 */
function coalesce(events: readonly Event[]): Event[] {
  const [a, b, c, d] = events.slice(-4).map(({ signal }) => signal);
  const last = events.slice(-2).map(({ signal }) => signal);
  if (last[0] !== undefined && last[0] === last[1])
    return [...events.slice(0, -2), ...events.slice(-1)];
  if (a && b && c && d) return [...events.slice(0, -4), ...events.slice(-2)];
  return [...events];
}
