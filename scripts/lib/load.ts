import { ask } from "./check.ts";

/** Failures that a load keeps, to show them; all are counted. */
const SAMPLES = 5;

/** Exact or full, without a reason. */
const ANY_REPLY = /^([A-Z]+|ready (up|down|fail|stopped)|up drain|maint)( \d+%)?( maxconn:\d+)?\n$/;

/** What a load does. */
export interface LoadOptions {
  /** Checks at the same time. */
  connections?: number;
  /** Ends by itself after so many. */
  checks?: number;
  /** The replies that are right. */
  reply?: RegExp;
  /** Milliseconds between a connection's checks. */
  pause?: number;
  /** What the checks send, one after another in turn; by default nothing. */
  payloads?: readonly string[];
  /**
   * Milliseconds in which a client has to send for its failure to count: an agent with too many
   * clients closes those that keep it waiting.
   */
  slow?: number;
  /** Called after each check with how many there have been. */
  onCheck?: (checks: number) => void;
}

/** Checks that run beside a test: `using load = new Load(port)`, `await load.stop()`. */
export class Load implements Disposable {
  checks = 0;
  failed = 0;
  /** The first failures: an error's message, or a wrong reply. */
  readonly failures: string[] = [];
  readonly #finished: Promise<unknown>;
  #left: number;

  constructor(port: number, options: LoadOptions = {}) {
    const { connections = 32, checks = Number.POSITIVE_INFINITY } = options;
    this.#left = checks;
    this.#finished = Promise.all(
      Array.from({ length: connections }, () => this.#run(port, options)),
    );
  }

  /** Resolves when all checks are done. */
  async finish(): Promise<this> {
    await this.#finished;
    return this;
  }

  /** Starts no further check, and resolves when those in flight are done. */
  stop(): Promise<this> {
    this.#left = 0;
    return this.finish();
  }

  [Symbol.dispose](): void {
    this.#left = 0;
  }

  async #run(port: number, options: LoadOptions) {
    const { reply = ANY_REPLY, pause = 0, payloads = [], slow = Infinity, onCheck } = options;
    while (this.#left > 0) {
      this.#left -= 1;
      const payload = payloads[this.checks % payloads.length];
      const begunAt = performance.now();
      let sentAt: number | undefined;
      const onOpen = () => {
        sentAt = performance.now();
      };
      const isSlow = () => (sentAt ?? performance.now()) - begunAt > slow;
      try {
        const text = await ask(port, { ...(payload !== undefined && { payload }), onOpen });
        if (!reply.test(text) && !isSlow()) this.#fail(JSON.stringify(text));
      } catch (error) {
        if (!isSlow()) this.#fail(describe(error));
      }
      this.checks += 1;
      onCheck?.(this.checks);
      if (pause > 0) await Bun.sleep(pause);
    }
  }

  #fail(what: string): void {
    this.failed += 1;
    if (this.failures.length < SAMPLES) this.failures.push(what);
  }
}

/** An error with its code: the message alone does not tell a refusal from a want of ports. */
function describe(error: unknown): string {
  return error instanceof Error && "code" in error ? `${error} (${error.code})` : String(error);
}
