import { codeOf } from "../errors.ts";
import { readStart } from "../state/file.ts";

/** With more connections than this the agent looks how many descriptors there are. */
const LOOK_COUNT = 4;

/** Checks that may linger until that is known: as many as may come at once, within milliseconds. */
const PROVISIONAL_CAP = 64;

/** Connections that may wait until then, for a moment. */
const PROVISIONAL_WAITING = { naming: 256, refreshing: 64 };

/** The most connections that do not linger and wait until a file was looked at. */
const REFRESHING_CAP = 8;

/** The most checks that may linger, however many descriptors there are. */
const LINGER_CAP = 256;

/** Once a connection has been open for this time (ms) the agent looks how many there are. */
const LOOK_MS = 50;

/**
 * Descriptors that connections never take: one to accept a connection with that is closed at once,
 * on the port and on the control socket each, and two for files.
 */
const RESERVE = 4;

/** The limit of open files when it is unknown or unlimited: the kernel's default. */
const DEFAULT_LIMIT = 1024;

/** A connection that can be closed. */
interface Closable {
  terminate(): void;
}

/** How many connections may be open at a time. */
export interface Shares {
  /** Checks that wait for their client to close. */
  readonly checks: number;
  /** Clients of the control socket. */
  readonly clients: number;
}

/**
 * Decides which connections may be kept open: with no descriptor left the accept loop would spin.
 *
 * How many there are is read when connections stay open, in numbers or for long, and not at the
 * start: an agent whose clients all close never reads it (0.1 MB).
 */
export class Descriptors {
  /** How many checks linger. */
  lingering = 0;
  /** How many may. */
  #shares: Shares = { checks: PROVISIONAL_CAP, clients: 0 };
  /** Descriptors for connections; undefined until it is known. */
  #free: number | undefined;
  /** Checks that linger while that is not known, the oldest first. */
  readonly #provisional = new Set<Closable>();
  readonly #clients = new Set<Closable>();
  /** How many clients the control socket may have, if there is one. */
  #most = 0;
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;

  /**
   * How many connections that do not linger may wait until a service is named, or a file was looked
   * at, for which less than a millisecond is enough.
   */
  get waitingCaps(): { readonly naming: number; readonly refreshing: number } {
    if (this.#free === undefined) return PROVISIONAL_WAITING;
    const naming = Math.max(1, this.#shares.checks);
    return { naming, refreshing: Math.min(naming, REFRESHING_CAP) };
  }

  /** How many clients the control socket may have now. */
  get clientCap(): number {
    return this.#shares.clients;
  }

  /** Keeps descriptors for this many clients of the control socket, or for fewer where it must. */
  reserveClients(most: number): void {
    this.#most = most;
    this.#shares =
      this.#free === undefined ? { ...this.#shares, clients: most } : share(this.#free, most);
  }

  /** Whether a check may stay open until its client closes; if so, `leave` must follow. */
  admit(check: Closable): boolean {
    if (this.lingering >= this.#shares.checks) return false;
    this.lingering += 1;
    if (this.#free === undefined) {
      this.#provisional.add(check);
      if (this.lingering > LOOK_COUNT) this.#looking ??= this.#look();
      else this.#lookSoon();
    }
    return true;
  }

  /** Notes that a check that was admitted is closed. */
  leave(check: Closable): void {
    this.lingering -= 1;
    this.#provisional.delete(check);
  }

  /** Whether there is room for a client of the control socket; `leaveClient` must follow. */
  admitClient(client: Closable): boolean {
    this.#clients.add(client);
    if (this.#free === undefined) {
      if (this.#clients.size > 1) this.#looking ??= this.#look();
      else this.#lookSoon();
    }
    return this.#clients.size <= this.#shares.clients;
  }

  /** Notes that a client is closed, whether there was room for it or not. */
  leaveClient(client: Closable): void {
    this.#clients.delete(client);
  }

  #lookSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (this.lingering + this.#clients.size > 0) this.#looking ??= this.#look();
    }, LOOK_MS);
  }

  /** Finds out how many are free; with none left even for that, it closes connections. */
  async #look(): Promise<void> {
    for (;;) {
      const free = await readFree(() => this.lingering + this.#clients.size);
      this.#free = free ?? 0;
      this.#shares = share(this.#free, this.#most);
      this.#closeExcess();
      if (free !== undefined) return;
      await Bun.sleep(LOOK_MS);
    }
  }

  #closeExcess(): void {
    const { checks, clients } = this.#shares;
    const excess = [
      ...[...this.#provisional].slice(0, Math.max(0, this.lingering - checks)),
      ...[...this.#clients].slice(clients),
    ];
    this.#provisional.clear();
    for (const connection of excess) connection.terminate();
  }
}

/**
 * How many descriptors there are for connections, those that are open included; undefined when none
 * is left to find out.
 */
async function readFree(countOpen: () => number): Promise<number | undefined> {
  try {
    // Before the limit is read: a stream may hold its descriptor for a while after its end.
    const names = new Bun.Glob("*").scanSync({ cwd: "/proc/self/fd", onlyFiles: false });
    // One of them is that of the listing itself.
    const others = Array.from(names).length - 1 - countOpen();
    const limits = await readStart("/proc/self/limits");
    const [, rest = ""] = limits.split("Max open files");
    // The soft limit comes first.
    const limit = Number.parseInt(rest, 10) || DEFAULT_LIMIT;
    return limit - others - RESERVE;
  } catch (error) {
    const isExhausted = ["EMFILE", "ENFILE"].includes(codeOf(error) ?? "");
    return isExhausted ? undefined : DEFAULT_LIMIT - RESERVE;
  }
}

/**
 * Shares descriptors. Up to half of them is for clients of the control socket. Of the rest half is
 * for checks that linger, the other half for those that do not: they are closed with their answer,
 * but may have to wait for it.
 *
 * @param most how many clients the control socket may have at most.
 */
export function share(free: number, most: number): Shares {
  const some = Math.max(0, free);
  const clients = Math.min(most, Math.floor(some / 2));
  return { clients, checks: Math.min(LINGER_CAP, Math.floor((some - clients) / 2)) };
}
