import { Queue } from "./queue.ts";

/** How long a caller waits for a disk, in milliseconds. What it asked for goes on without it. */
const PATIENCE_MS = 5000;

/** How long a check waits for one, in milliseconds. */
export const CHECK_MS = 200;

/** What is said of a disk that is silent. */
export const SILENCE = `the disk has not answered within ${PATIENCE_MS / 1000} s`;

/**
 * A disk, or the server behind it, as one file or directory sees it. It is asked one thing at a
 * time: so one that hangs takes one of the runtime's two threads for files, however often it is
 * asked, and holds up nobody for longer than 5 s.
 */
export class Disk<Shared = never> extends Queue<Shared> {
  /** Since when it is at the last thing that it was asked (performance.now()). */
  #since: number | undefined;

  /** Whether it has been silent for longer than anybody waits. */
  get #isSilent(): boolean {
    return this.#since !== undefined && performance.now() - this.#since >= PATIENCE_MS;
  }

  /** Asks, once what was asked before is answered. The answer may never come: see `wait`. */
  override run<T>(question: () => Promise<T>): Promise<T> {
    return super.run(() => {
      this.#since = performance.now();
      return question().finally(() => {
        this.#since = undefined;
      });
    });
  }

  /** Waits for an answer; undefined: there was none in time, and while it is silent at once. */
  async wait<T>(answer: Promise<T>): Promise<T | undefined> {
    return this.#isSilent ? undefined : await within(PATIENCE_MS, answer);
  }

  /** Asks and waits. While it is silent it is not asked: questions would pile up. */
  async ask<T>(question: () => Promise<T>): Promise<T | undefined> {
    return this.#isSilent ? undefined : await this.wait(this.run(question));
  }
}

/** Waits for a result, but not for longer than this; undefined: it took longer. */
export async function within<T>(milliseconds: number, work: Promise<T>): Promise<T | undefined> {
  const { promise: end, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, milliseconds);
  try {
    return await Promise.race([work, end]);
  } finally {
    clearTimeout(timer);
  }
}
