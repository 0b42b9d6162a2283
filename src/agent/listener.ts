import type { Socket, SocketHandler } from "bun";
import { formatAddress, type ListenAddress } from "../address.ts";
import { codeOf, describeError } from "../errors.ts";

/**
 * A client that has not closed yet is closed at a sweep of the runtime, every 4 s, once it is this
 * old.
 */
const LINGER_MS = 1000;

/** The most connections that wait for their client to close, however many descriptors there are. */
const LINGER_CAP = 256;

/** What `bind` refuses, in words that fit an address. */
const BIND_ERRORS: Readonly<Record<string, string>> = {
  EACCES: "no permission to bind this port (EACCES)",
  EADDRINUSE: "the port is in use (EADDRINUSE)",
};

/** The port is in use, or the address is not on this machine, or may not be bound. */
export class ListenError extends Error {}

/** A listening socket that answers checks. */
export interface Listener {
  /** Stops accepting and resolves when all clients have closed, or after so many milliseconds. */
  stop(milliseconds: number): Promise<void>;
}

/** What answers the checks, and who is told how each went. */
export interface ListenOptions {
  /** The most connections that wait for their client to close; beyond, each is closed at once. */
  readonly lingerCap: number;
  /** The bytes to answer a check with. */
  readonly answer: () => Uint8Array | Promise<Uint8Array>;
  /** Whether `answer` ever gives a promise. */
  readonly isAsync?: boolean;
  /** Told the address of every client that was answered; one that has reset has none any more. */
  readonly served?: ((address: string | undefined) => void) | undefined;
}

/** A check: what is known of its connection. */
interface Check {
  readonly openedAt: number;
  /** Whether the client is waited for to close; if not, it is closed with the answer. */
  readonly lingers: boolean;
  /** Whether it waits for its answer. */
  isWaiting: boolean;
  /** Whether the client has closed its side. */
  hasEnded: boolean;
}

/**
 * Answers every connection with what `answer` gives, in one write, and ignores what the client
 * sends.
 *
 * The connection is then only half closed, and what arrives is discarded until the client closes:
 * to close with unread bytes would make the kernel send a reset, which can destroy the reply on its
 * way. A client that never closes is closed after 1 to 5 s; and beyond `lingerCap` such connections
 * a new one is closed at once, because with no descriptor left the accept loop would spin.
 *
 * @throws {ListenError} naming the address and what is wrong with it.
 */
export function listen(address: ListenAddress, options: ListenOptions): Listener {
  const checks = new Checks(options);
  const server = bind(address, options.isAsync ?? false, checks.handler);
  return {
    stop(milliseconds) {
      server.stop();
      return checks.settled(milliseconds);
    },
  };
}

/** The connections that are open. */
class Checks {
  readonly #options: ListenOptions;
  #lingering = 0;
  #resolveSettled: (() => void) | undefined;

  constructor(options: ListenOptions) {
    this.#options = options;
  }

  readonly handler: SocketHandler<Check> = {
    open: (client) => this.#open(client),
    end(client) {
      // A client may close its side before its answer is there.
      client.data.hasEnded = true;
      if (!client.data.isWaiting) client.end();
    },
    timeout(client) {
      // The first sweep may come right after the opening; the next one is 4 s later.
      if (performance.now() - client.data.openedAt < LINGER_MS) client.timeout(1);
      else client.terminate();
    },
    close: (client) => this.#close(client),
    // No `data`: what arrives is then discarded without a copy. One of the two must be there.
    drain() {},
    error() {},
  };

  /** Resolves when all clients have closed, or after so many milliseconds. */
  settled(milliseconds: number): Promise<void> {
    if (this.#lingering === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#resolveSettled = resolve;
      setTimeout(resolve, milliseconds);
    });
  }

  #open(client: Socket<Check>): void {
    const lingers = this.#lingering < this.#options.lingerCap;
    client.data = { openedAt: performance.now(), lingers, isWaiting: false, hasEnded: false };
    if (lingers) {
      this.#lingering += 1;
      client.timeout(1);
    }
    const answer = this.#options.answer();
    if (answer instanceof Promise) void this.#answerLater(client, answer);
    else this.#answer(client, answer);
  }

  async #answerLater(client: Socket<Check>, answer: Promise<Uint8Array>): Promise<void> {
    const check = client.data;
    check.isWaiting = true;
    const bytes = await answer;
    // It may be gone.
    if (!check.isWaiting) return;
    check.isWaiting = false;
    this.#answer(client, bytes);
    if (check.hasEnded) client.end();
  }

  #answer(client: Socket<Check>, bytes: Uint8Array): void {
    // Read first: a connection that is shut down has no address any more.
    this.#options.served?.(client.remoteAddress);
    if (!client.data.lingers) {
      client.end(bytes);
      return;
    }
    client.write(bytes);
    client.shutdown();
  }

  #close(client: Socket<Check>): void {
    client.data.isWaiting = false;
    if (!client.data.lingers) return;
    this.#lingering -= 1;
    if (this.#lingering === 0) this.#resolveSettled?.();
  }
}

function bind(
  address: ListenAddress,
  allowHalfOpen: boolean,
  socket: SocketHandler<Check>,
): { stop(): void } {
  // The runtime takes a descriptor in place of the address; its types do not say so yet.
  const { fd, ip, port } = { fd: undefined, ip: "0.0.0.0", port: 0, ...address };
  const options = { ...(fd !== undefined && { fd }), hostname: ip, port, allowHalfOpen, socket };
  try {
    return Bun.listen<Check>(options);
  } catch (error) {
    const why = BIND_ERRORS[codeOf(error) ?? ""] ?? describeError(error);
    throw new ListenError(`cannot listen on ${formatAddress(address)}: ${why}`);
  }
}

/** How many connections may linger: half the limit of open files, at most 256. */
export async function readLingerCap(): Promise<number> {
  const limits = await Bun.file("/proc/self/limits")
    .text()
    .catch(() => "");
  const [, rest = ""] = limits.split("Max open files");
  // The soft limit comes first; without /proc, what the kernel gives by default is likely.
  const openFiles = Number.parseInt(rest, 10) || 2 * LINGER_CAP;
  return Math.min(LINGER_CAP, Math.floor(openFiles / 2));
}
