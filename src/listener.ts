import type { Socket, SocketHandler } from "bun";
import type { Config } from "./config.ts";
import { reasonOf } from "./log.ts";

/**
 * A client that has not closed yet is closed at a sweep of the runtime, every 4 s, once it is this
 * old.
 */
const LINGER_MS = 1000;

/**
 * At most so many connections wait for their client to close, however many descriptors there are.
 */
const LINGER_CAP = 256;

const REASONS: Record<string, string> = {
  EACCES: "no permission to bind this port",
  EADDRINUSE: "the port is in use",
  EADDRNOTAVAIL: "no such address on this machine",
};

/** The port is in use, or the address is not on this machine, or may not be bound. */
export class ListenError extends Error {}

/** A listening socket that answers checks. */
export interface Listener {
  /** Stops accepting and resolves when all clients have closed, or after so many milliseconds. */
  stop(milliseconds: number): Promise<void>;
}

/** What the listener asks for each check, and whom it tells. */
export interface ListenOptions {
  /** So many connections may wait for their client to close; beyond, they are closed at once. */
  readonly lingerCap: number;
  /** The bytes to answer with. */
  readonly reply: () => Uint8Array;
  /** What has to be done before the answer, if anything. */
  readonly refresh?: (() => Promise<void>) | undefined;
  /** Told the address of every client that was answered; one that has reset has none any more. */
  readonly served?: ((address: string | undefined) => void) | undefined;
}

/**
 * The data of a connection: when it was opened (ms), or undefined when it is to be closed at once.
 */
type Opened = number | undefined;

/**
 * Answers every connection with the bytes of `reply()`, in one write, and ignores what the client
 * sends.
 *
 * The connection is then only half closed, and what arrives is discarded until the client closes:
 * to close with unread bytes would make the kernel send a reset, which can destroy the reply on its
 * way. A client that never closes is closed after 1 to 5 s; and beyond `lingerCap` such connections
 * a new one is closed at once, because with no descriptor left the accept loop would spin.
 *
 * @throws {ListenError} naming the address and the reason.
 */
export function listen(listenOn: Config["listen"], options: ListenOptions): Listener {
  const { lingerCap, reply, refresh, served } = options;
  let lingering = 0;
  /** Clients whose answer has to wait for `refresh`; true: they have closed their side already. */
  const early = new Map<Socket<Opened>, boolean>();
  let resolveStop: (() => void) | undefined;

  function answer(client: Socket<Opened>): void {
    // Read first: a connection that is shut down has no address any more.
    if (served) served(client.remoteAddress);
    if (client.data === undefined) {
      client.end(reply());
      return;
    }
    client.write(reply());
    client.shutdown();
  }

  // A client may close its side before its answer is there.
  const allowHalfOpen = refresh !== undefined;
  const server = bind(listenOn, allowHalfOpen, {
    open(client) {
      if (lingering < lingerCap) {
        lingering += 1;
        client.data = performance.now();
        client.timeout(1);
      }
      // One beyond the cap must be gone before the next comes: those that linger keep the reply
      // fresh.
      if (!refresh || client.data === undefined) {
        answer(client);
        return;
      }
      early.set(client, false);
      void refresh().then(() => {
        const hasEnded = early.get(client);
        early.delete(client);
        // Undefined: it is gone.
        if (hasEnded !== undefined) answer(client);
        if (hasEnded) client.end();
      });
    },
    end(client) {
      if (early.has(client)) early.set(client, true);
      else client.end();
    },
    timeout(client) {
      // The first sweep may come right after the opening; the next one is 4 s later.
      if (performance.now() - (client.data ?? 0) < LINGER_MS) client.timeout(1);
      else client.terminate();
    },
    close(client) {
      early.delete(client);
      if (client.data === undefined) return;
      lingering -= 1;
      if (lingering === 0) resolveStop?.();
    },
    // No `data`: what arrives is then discarded without a copy. One of the two must be there.
    drain() {},
    error() {},
  });

  return {
    stop(milliseconds) {
      server.stop();
      if (lingering === 0) return Promise.resolve();
      return new Promise((resolve) => {
        resolveStop = resolve;
        setTimeout(resolve, milliseconds);
      });
    },
  };
}

function bind(
  listenOn: Config["listen"],
  allowHalfOpen: boolean,
  socket: SocketHandler<Opened>,
): { stop(): void } {
  // The runtime takes a descriptor in place of the address; its types do not say so yet.
  const { fd, ip, port } = { fd: undefined, ip: "0.0.0.0", port: 0, ...listenOn };
  const options = { ...(fd !== undefined && { fd }), hostname: ip, port, allowHalfOpen, socket };
  try {
    return Bun.listen<Opened>(options);
  } catch (error) {
    const code = reasonOf(error);
    const reason = REASONS[code] ?? "the address cannot be bound";
    throw new ListenError(`cannot listen on ${formatAddress(listenOn)}: ${reason} (${code})`);
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

/** Where it listens: `127.0.0.1:9777`, `[::1]:9777`, or `fd:3` for a socket that was passed. */
export function formatAddress(listenOn: Config["listen"]): string {
  if ("fd" in listenOn) return `fd:${listenOn.fd}`;
  const { ip, port } = listenOn;
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}
