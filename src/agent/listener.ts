import type { Socket, SocketHandler } from "bun";
import { formatAddress, type ListenAddress } from "../address.ts";
import { codeOf, describeError } from "../errors.ts";
import { PROBE_MARK } from "../sent.ts";
import { type Answer, type Check, type ClosedCheck, describeClosed, expire } from "./check.ts";
import type { Descriptors } from "./descriptors.ts";

/**
 * A client that has not closed yet is closed at a sweep of the runtime, every 4 s, once it is this
 * old.
 */
const LINGER_MS = 1000;

/** How much of what a client sends counts, in bytes: a service's name, and a mark before it. */
const SENT_LIMIT = 64 + PROBE_MARK.length;

/** How long a client has to name a service, in milliseconds. */
const NAMING_MS = 250;

/** Time to read what has come already, in milliseconds: one turn of the event loop is enough. */
const READ_MS = 1;

/** Errors of bind(2), in words that fit an address. */
const BIND_ERRORS: Readonly<Record<string, string>> = {
  EACCES: "no permission to bind this port (EACCES)",
  EADDRINUSE: "the port is in use (EADDRINUSE)",
};

/** The port is in use, or the address is not on this machine, or may not be bound. */
export class ListenError extends Error {}

/** A listening socket that answers checks. */
export interface Listener {
  /** Stops accepting, and resolves when all clients have closed or the time is over. */
  stop(milliseconds: number): Promise<void>;
}

/** How checks are answered, and where their outcome goes. */
export interface ListenOptions<A extends Answer> {
  /** Decides which connections wait for their client to close; the others are closed at once. */
  readonly descriptors: Descriptors;
  /** Gives the answer to what a client has sent (nothing, unless it is waited for). */
  readonly answer: (sent: string) => A;
  /** What has to be done before the answer, if anything. */
  readonly refresh?: ((sent: string) => Promise<void>) | undefined;
  /**
   * Makes a check wait, for up to 0.25 s, for what its client sends: a line, or a text that this
   * takes for complete.
   */
  readonly isComplete?: ((sent: string) => boolean) | undefined;
  /** Told of every check that was answered, once it is closed. */
  readonly closed?: ((check: ClosedCheck<A>) => void) | undefined;
}

/**
 * Answers every connection with what `answer` gives, in one write. What the client sends is
 * ignored; with `isComplete` or `closed` it is read up to the first CR or LF.
 *
 * The connection is then only half closed, and what arrives is discarded until the client closes:
 * closing with unread bytes would make the kernel send a reset, which can destroy the reply on its
 * way. A client that never closes is closed after 1 to 5 s. When such connections are too many for
 * the descriptors that are left, a new one is closed at once.
 *
 * @throws {ListenError} naming the address and what is wrong with it.
 */
export function listen<A extends Answer>(
  address: ListenAddress,
  options: ListenOptions<A>,
): Listener {
  const checks = new Checks(options);
  const server = bind(address, checks.handler(), checks.mayWait);
  return {
    stop(milliseconds) {
      server.stop();
      return checks.settled(milliseconds);
    },
  };
}

/** The connections that are open. */
class Checks<A extends Answer> {
  /** Whether a check may have to wait for its answer. */
  readonly mayWait: boolean;
  readonly #options: ListenOptions<A>;
  /** Connections that do not linger and wait for their answer, the oldest first. */
  readonly #waitingBeyond = new Set<Socket<Check<A>>>();
  #resolveSettled: (() => void) | undefined;

  constructor(options: ListenOptions<A>) {
    this.#options = options;
    this.mayWait = options.refresh !== undefined || options.isComplete !== undefined;
  }

  handler(): SocketHandler<Check<A>> {
    const { isComplete, closed } = this.#options;
    return {
      open: (client) => this.#open(client),
      end: (client) => this.#end(client),
      timeout(client) {
        // The first sweep may come right after the opening; the next one is 4 s later.
        if (performance.now() - client.data.openedAt < LINGER_MS) client.timeout(1);
        else expire(client);
      },
      close: (client, error) => this.#close(client, error),
      // Without `data` what arrives is discarded without a copy. One of the two must be there.
      ...(isComplete || closed ? { data: (client, chunk) => this.#read(client, chunk) } : {}),
      drain() {},
      error() {},
    };
  }

  /** Resolves when all clients have closed or the time is over. */
  settled(milliseconds: number): Promise<void> {
    if (this.#options.descriptors.lingering === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#resolveSettled = resolve;
      setTimeout(resolve, milliseconds);
    });
  }

  #open(client: Socket<Check<A>>): void {
    const { descriptors, isComplete, closed } = this.#options;
    const lingers = descriptors.admit(client);
    const check: Check<A> = {
      openedAt: performance.now(),
      lingers,
      // Read now: a connection that is shut down has no address any more.
      address: closed && client.remoteAddress,
      sent: "",
      isSent: false,
      naming: undefined,
      isWaiting: this.mayWait,
      hasEnded: false,
      written: undefined,
    };
    client.data = check;
    if (lingers) {
      client.timeout(1);
    } else if (this.mayWait) {
      this.#waitingBeyond.add(client);
      const { naming, refreshing } = descriptors.waitingCaps;
      const [oldest = client] = this.#waitingBeyond;
      if (this.#waitingBeyond.size > (isComplete ? naming : refreshing)) {
        // A client that names a service at once is never the oldest. A silent one gets no answer:
        // nobody knows of which service, and no answer changes nothing at HAProxy.
        if (isComplete) {
          expire(oldest);
        } else {
          this.#write(client, this.#options.answer(""));
          return;
        }
      }
    }
    if (isComplete) check.naming = setTimeout(() => this.#lookOnce(client), NAMING_MS);
    else this.#ask(client);
  }

  /**
   * The time to name a service is over. What came while this process stood still is not read yet:
   * the timer comes before it.
   */
  #lookOnce(client: Socket<Check<A>>): void {
    client.data.naming = setTimeout(() => this.#ask(client), READ_MS);
  }

  #read(client: Socket<Check<A>>, chunk: Buffer): void {
    const check = client.data;
    if (check.isSent) return;
    const text = check.sent + chunk.toString("latin1", 0, SENT_LIMIT);
    const end = text.search(/[\r\n]/);
    check.sent = text.slice(0, end < 0 ? SENT_LIMIT : Math.min(end, SENT_LIMIT));
    check.isSent = end >= 0 || check.sent.length === SENT_LIMIT;
    if (!check.naming) return;
    if (check.isSent || this.#options.isComplete?.(check.sent)) this.#ask(client);
  }

  /** Gets the answer and writes it. */
  #ask(client: Socket<Check<A>>): void {
    const check = client.data;
    clearTimeout(check.naming);
    check.naming = undefined;
    const { answer, refresh } = this.#options;
    if (refresh) void refresh(check.sent).then(() => this.#write(client, answer(check.sent)));
    else this.#write(client, answer(check.sent));
  }

  #write(client: Socket<Check<A>>, answer: A): void {
    const check = client.data;
    // It was closed while it waited.
    if (this.mayWait && !check.isWaiting) return;
    check.isWaiting = false;
    const { bytes } = answer;
    const isWhole = check.lingers && client.write(bytes) === bytes.length;
    if (this.#options.closed) {
      // The runtime asks the kernel for the port, but remembers the address.
      const wasOpen = isWhole && client.remotePort !== undefined;
      check.written = { answer, at: performance.now(), isWhole, wasOpen };
    }
    if (!check.lingers) {
      client.end(bytes);
      return;
    }
    client.shutdown();
    if (check.hasEnded) client.end();
  }

  /** The client has closed its side, perhaps before its answer is there. */
  #end(client: Socket<Check<A>>): void {
    client.data.hasEnded = true;
    if (client.data.naming) this.#ask(client);
    else if (!client.data.isWaiting) client.end();
  }

  #close(client: Socket<Check<A>>, error: Error | undefined): void {
    const check = client.data;
    clearTimeout(check.naming);
    const outcome = describeClosed(check, error);
    if (outcome) this.#options.closed?.(outcome);
    this.#waitingBeyond.delete(client);
    check.isWaiting = false;
    if (!check.lingers) return;
    const { descriptors } = this.#options;
    descriptors.leave(client);
    if (descriptors.lingering === 0) this.#resolveSettled?.();
  }
}

function bind<A extends Answer>(
  address: ListenAddress,
  socket: SocketHandler<Check<A>>,
  allowHalfOpen: boolean,
): { stop(): void } {
  // The runtime takes a descriptor in place of the address; its types do not say so yet.
  const { fd, ip, port } = { fd: undefined, ip: "0.0.0.0", port: 0, ...address };
  const options = { ...(fd !== undefined && { fd }), hostname: ip, port, allowHalfOpen, socket };
  try {
    return Bun.listen<Check<A>>(options);
  } catch (error) {
    const why = BIND_ERRORS[codeOf(error) ?? ""] ?? describeError(error);
    throw new ListenError(`cannot listen on ${formatAddress(address)}: ${why}`);
  }
}
