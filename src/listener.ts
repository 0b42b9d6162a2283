import type { SocketHandler } from "bun";
import { reasonOf } from "./log.ts";

/** A client that has not closed yet is closed at a sweep of the runtime, every 4 s, once it is this old. */
const LINGER_MS = 1000;

/** At most so many connections wait for their client to close, however many descriptors there are. */
const LINGER_CAP = 64;

const REASONS: Record<string, string> = {
  EACCES: "no permission to bind this port",
  EADDRINUSE: "the port is in use",
  EADDRNOTAVAIL: "no such address on this machine",
};

/** The port is in use, or the address is not on this machine, or may not be bound. */
export class ListenError extends Error {}

/** Where to listen: an IPv4 or IPv6 address, and a TCP port. */
export interface Address {
  readonly ip: string;
  readonly port: number;
}

/** A listening socket that answers checks. */
export interface Listener {
  /** Stops accepting and resolves when all clients have closed, or after so many milliseconds. */
  stop(milliseconds: number): Promise<void>;
}

/** The data of a connection: when it was opened (ms), or undefined when it was closed at once. */
type Opened = number | undefined;

/**
 * Answers every connection with the bytes of `reply()`, in one write, and ignores what the client sends.
 *
 * The connection is then only half closed, and what arrives is discarded until the client closes: to close
 * with unread bytes would make the kernel send a reset, which can destroy the reply on its way. A client
 * that never closes is closed after 1 to 5 s; and beyond `lingerCap` such connections a new one is closed
 * at once, because with no descriptor left the accept loop would spin.
 *
 * @throws {ListenError} naming the address and the reason.
 */
export function listen(address: Address, lingerCap: number, reply: () => Buffer): Listener {
  let lingering = 0;
  let resolveStop: (() => void) | undefined;

  const server = bind(address, {
    open(client) {
      if (lingering >= lingerCap) {
        client.end(reply());
        return;
      }
      lingering += 1;
      client.data = performance.now();
      client.timeout(1);
      client.write(reply());
      client.shutdown();
    },
    timeout(client) {
      // The first sweep may come right after the opening; the next one is 4 s later.
      if (performance.now() - (client.data ?? 0) < LINGER_MS) client.timeout(1);
      else client.terminate();
    },
    close(client) {
      if (client.data === undefined) return;
      lingering -= 1;
      if (lingering === 0) resolveStop?.();
    },
    data() {},
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

function bind(address: Address, socket: SocketHandler<Opened>): { stop(): void } {
  try {
    return Bun.listen<Opened>({ hostname: address.ip, port: address.port, socket });
  } catch (error) {
    const code = reasonOf(error);
    const reason = REASONS[code] ?? "the address cannot be bound";
    throw new ListenError(`cannot listen on ${formatAddress(address)}: ${reason} (${code})`);
  }
}

/** How many connections may linger: half the limit of open files, at most 64. */
export async function readLingerCap(): Promise<number> {
  const limits = await Bun.file("/proc/self/limits")
    .text()
    .catch(() => "");
  const openFiles = Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? 2 * LINGER_CAP);
  return Math.min(LINGER_CAP, Math.floor(openFiles / 2));
}

/** An address as it is written in front of a port: `127.0.0.1:9777`, `[::1]:9777`. */
export function formatAddress({ ip, port }: Address): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}
