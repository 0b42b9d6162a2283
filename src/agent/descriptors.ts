import { codeOf } from "../errors.ts";

/** Connections that may linger before it is known how many descriptors there are. */
const PROVISIONAL_CAP = 4;

/** Connections that may wait until then, for a moment. */
const PROVISIONAL_WAITING = { naming: 256, refreshing: 64 };

/** The most connections that do not linger and wait until a file was looked at. */
const REFRESHING_CAP = 8;

/** The most connections that may linger, however many descriptors there are. */
const LINGER_CAP = 256;

/** A connection that lingers for so long (ms) is reason enough to look how many there are. */
const LOOK_MS = 100;

/**
 * Descriptors that connections never take: one to accept a connection with that is closed at once,
 * on the port and on the control socket each, and two for files.
 */
const RESERVE = 4;

/** The limit of open files where nothing tells it: the kernel's default. */
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
 * How many there are is read when connections first linger, in numbers or for long, and not at the
 * start: an agent whose clients all close never reads it (0.1 MB).
 */
export class Descriptors {
  /** How many connections linger. */
  lingering = 0;
  /** How many may; undefined until it is known. */
  #cap: number | undefined;
  /** Those that linger while the cap is not known, the oldest first. */
  readonly #provisional = new Set<Closable>();
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;

  /**
   * How many connections that do not linger may wait until a service is named, or a file was looked
   * at, for which less than a millisecond is enough.
   */
  get waitingCaps(): { readonly naming: number; readonly refreshing: number } {
    if (this.#cap === undefined) return PROVISIONAL_WAITING;
    const naming = Math.max(1, this.#cap);
    return { naming, refreshing: Math.min(naming, REFRESHING_CAP) };
  }

  /** Whether a connection may stay open until its client closes; if so, `leave` must follow. */
  admit(connection: Closable): boolean {
    if (this.lingering >= (this.#cap ?? PROVISIONAL_CAP)) {
      if (this.#cap === undefined) this.#looking ??= this.#look();
      return false;
    }
    this.lingering += 1;
    if (this.#cap === undefined) {
      this.#provisional.add(connection);
      this.#timer ??= setTimeout(() => this.#lookAgain(), LOOK_MS);
    }
    return true;
  }

  /** Notes that a connection that was admitted is closed. */
  leave(connection: Closable): void {
    this.lingering -= 1;
    this.#provisional.delete(connection);
  }

  /** Looks now, and returns how many clients the control socket may have, at most `most`. */
  async reserveClients(most: number): Promise<number> {
    const { checks, clients } = await readShares(this.lingering, most);
    this.#setCap(checks);
    return clients;
  }

  #lookAgain(): void {
    this.#timer = undefined;
    if (this.lingering > 0) this.#looking ??= this.#look();
  }

  async #look(): Promise<void> {
    const { checks } = await readShares(this.lingering, 0);
    // The control socket, which knows its share too, may have looked meanwhile.
    if (this.#cap === undefined) this.#setCap(checks);
  }

  #setCap(cap: number): void {
    this.#cap = cap;
    clearTimeout(this.#timer);
    const excess = [...this.#provisional].slice(0, Math.max(0, this.lingering - cap));
    this.#provisional.clear();
    for (const connection of excess) connection.terminate();
  }
}

/** Reads the limit of open files and how many are open, and shares the rest. */
async function readShares(lingering: number, most: number): Promise<Shares> {
  try {
    const limits = await Bun.file("/proc/self/limits").text();
    const [, rest = ""] = limits.split("Max open files");
    // The soft limit comes first.
    const limit = Number.parseInt(rest, 10) || Number.POSITIVE_INFINITY;
    const names = new Bun.Glob("*").scanSync({ cwd: "/proc/self/fd", onlyFiles: false });
    return share({ limit, open: Array.from(names).length - lingering, most });
  } catch (error) {
    const isExhausted = ["EMFILE", "ENFILE"].includes(codeOf(error) ?? "");
    return share({ limit: isExhausted ? 0 : DEFAULT_LIMIT, open: lingering, most });
  }
}

/**
 * Shares the descriptors that are free. Up to half of them is for clients of the control socket. Of
 * the rest half is for checks that linger, the other half for those that do not: they are closed
 * with their answer, but may have to wait for it.
 *
 * @param open how many are open, checks that linger not counted.
 * @param most how many clients the control socket may have at most.
 */
export function share({ limit, open, most }: Record<"limit" | "open" | "most", number>): Shares {
  const free = Math.max(0, limit - open - RESERVE);
  const clients = Math.min(most, Math.floor(free / 2));
  return { clients, checks: Math.min(LINGER_CAP, Math.floor((free - clients) / 2)) };
}
