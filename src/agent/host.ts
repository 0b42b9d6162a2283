import { NO_SERVICE, nameIn } from "../sent.ts";
import { ADMIN, formatReply, HEALTH, type ReplyMode } from "../state/reply.ts";
import { FAILED, type State, type Status } from "../state/state.ts";

/** A reply as bytes for the wire and as text for people, without its newline. */
export interface Reply {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** The state of the host or of a service. Times are in milliseconds of a monotonic clock. */
export interface Entry {
  readonly state: State;
  /** Since when it is this state. */
  readonly since: number;
  /** What set it: `start`, `SIGHUP`, `SIGUSR1`, `SIGUSR2`, `socket` or `file` (an edit). */
  readonly by: string;
  /** The last health word and the last administrative one, each of which HAProxy keeps. */
  readonly health: Status;
  readonly admin: Status;
}

const UNKNOWN: Reply = makeReply(`${NO_SERVICE}\n`);

/**
 * What the agent speaks for: the machine's own state and those of its services, by name. Plain
 * values that change only when they are told to; a reply is computed when it is asked for, and kept
 * until one of the states that it is made of changes.
 */
export class Host {
  /** Grows whenever a reply may have changed. */
  version = 0;
  readonly mode: ReplyMode;
  /** Whether there are services: then a check names one. */
  readonly hasServices: boolean;
  #own: Entry;
  readonly #services = new Map<string, Entry>();
  /** When any reply changed last; and when one changed that all have in common. */
  #changedAt: number;
  #commonAt: number;
  /** The status that comes before all states while the agent stops. */
  #stop: State | undefined;
  /** The replies that were asked for, by the service's name; the host's without. */
  readonly #replies = new Map<string | undefined, Reply>();

  /** A host that is FAIL, until it is known better. */
  constructor(mode: ReplyMode, hasServices: boolean, now: number) {
    this.mode = mode;
    this.hasServices = hasServices;
    this.#own = { state: FAILED, since: now, by: "start", health: "FAIL", admin: "READY" };
    this.#changedAt = now;
    this.#commonAt = now;
  }

  /** The machine's own state, or that of its only service. */
  get own(): Entry {
    return this.#own;
  }

  /** The names of the services, in the order in which they were added. */
  names(): IterableIterator<string> {
    return this.#services.keys();
  }

  /** The state of a service, undefined when there is none of this name; of the host without one. */
  find(name: string | undefined): Entry | undefined {
    return name === undefined ? this.#own : this.#services.get(name);
  }

  /** Sets a state, and adds the service if it is new. The same state as before changes nothing. */
  put(name: string | undefined, state: State, by: string, now: number): void {
    const old = this.find(name);
    if (Bun.deepEquals(old?.state, state)) return;
    const { status } = state;
    // Nobody was told what it was before the start.
    const told = by === "start" ? undefined : old;
    const health = HEALTH.includes(status) ? status : (told?.health ?? "UP");
    const admin = ADMIN.includes(status) ? status : (told?.admin ?? "READY");
    const entry = { state, since: now, by, health, admin };
    if (name === undefined) this.#own = entry;
    else this.#services.set(name, entry);
    this.#changed(name, now);
  }

  /** Removes a service. */
  remove(name: string, now: number): void {
    if (this.#services.delete(name)) this.#changed(name, now);
  }

  /** Whether the stop status comes before all states. */
  get isStopping(): boolean {
    return this.#stop !== undefined;
  }

  /** From now on this status comes before all states; none of them changes. */
  answerWhileStopping(status: Status, now: number): void {
    this.#stop = { status };
    this.#changed(undefined, now);
  }

  /**
   * The service that a check asks for by what it sent; undefined: the host.
   *
   * @returns a name that may be that of no service.
   */
  nameIn(sent: string): string | undefined {
    return (this.hasServices && nameIn(sent)) || undefined;
  }

  /** The reply to a check by what it sent. */
  replyTo(sent: string): Reply {
    return this.reply(this.nameIn(sent));
  }

  /** The reply about a service, about the host without a name. */
  reply(name?: string): Reply {
    const entry = this.find(name);
    if (entry === undefined) return UNKNOWN;
    const known = this.#replies.get(name);
    if (known) return known;
    const before = name === undefined ? [] : [this.#own.state];
    if (this.#stop) before.push(this.#stop);
    const reply = makeReply(formatReply([entry.state, ...before], this.mode));
    this.#replies.set(name, reply);
    return reply;
  }

  /** When the reply about a service changed last, at the latest; without a name: any reply. */
  changedAt(name?: string): number {
    const entry = name === undefined ? undefined : this.#services.get(name);
    return entry ? Math.max(entry.since, this.#commonAt) : this.#changedAt;
  }

  #changed(name: string | undefined, now: number): void {
    this.version += 1;
    this.#changedAt = now;
    if (name !== undefined) {
      this.#replies.delete(name);
      return;
    }
    this.#commonAt = now;
    this.#replies.clear();
  }
}

function makeReply(line: string): Reply {
  const bytes = new TextEncoder().encode(line);
  return { bytes, text: line.slice(0, -1) };
}
