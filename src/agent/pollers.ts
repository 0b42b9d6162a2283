import type { LogFields } from "../log.ts";
import type { Named, NamedPollers } from "../named-pollers.ts";
import { NO_SERVICE, nameIn, PROBE_MARK } from "../sent.ts";
import { type Asker, KNOWN_AFTER, Poller, type WrittenReply } from "./poller.ts";
import { PollerMemory } from "./poller-memory.ts";

/** The silence after which a new poller does not count any more (ms). */
const NEW_MS = 10_000;

/** That silence while slow lines have had no time to ask twice, and how long that is (ms). */
const NEW_AFTER_START_MS = 60_000;
const START_MS = 300_000;

/** The silence after which a named address's agent-send that hardly asked is none of its lines. */
const STRAY_MS = 600_000;

/** How often the agent forgets by itself, where nobody looks (ms). */
const SWEEP_MS = 60_000;

/** How many names that are no service's are logged. */
const NAMES_LOGGED = 32;

/** Why a poller counts, or that it does not. */
export type Standing = "named" | "in a named network" | "three checks" | "new" | "stranger";

/** What was written; undefined: to nobody that is known. */
export type Written = WrittenReply | undefined;

/** How pollers are judged. */
export interface PollersOptions {
  /** Who may count (HAPGENT_POLLERS); undefined: whoever asks like a load balancer. */
  readonly named: NamedPollers | undefined;
  /** Seconds of silence after which a load balancer is forgotten (HAPGENT_FORGET). */
  readonly forget: number | undefined;
  /** The start of the agent. */
  readonly now: number;
  readonly log?: (message: string, fields: LogFields) => void;
}

/**
 * Who asks, who of them is a load balancer, and who has been told what. It fails closed: HAProxy
 * keeps the last reply for ever, so a load balancer is remembered, however long it is silent, until
 * somebody says that it is gone. Times are handed in: ms of a clock that never goes back.
 */
export class Pollers {
  readonly options: PollersOptions;
  readonly memory = new PollerMemory();
  /** Named load balancers that are gone, for which services (undefined: all), until they ask. */
  readonly #excused = new Map<Named, Set<string | undefined>>();
  readonly #namesLogged = new Set<string>();
  #sweptAt: number;

  constructor(options: PollersOptions) {
    this.options = options;
    this.#sweptAt = options.now;
  }

  /**
   * Notes that the end of a reply was written: from now on the poller has perhaps been told.
   *
   * @param mayBeNew Whether that is a reason to know one that was not known.
   * @param at When it was written, if that is known only now to be this poller's.
   */
  written(
    { address, sent }: Asker,
    reply: string,
    now: number,
    mayBeNew = true,
    at = now,
  ): Written {
    if (sent === undefined) return this.#findSilent(address, now)?.write(reply, now, false);
    if (!mayBeNew) return this.memory.get(address, sent)?.write(reply, now, false);
    if (sent.startsWith(PROBE_MARK)) return undefined;
    if (now - this.#sweptAt >= SWEEP_MS) this.sweep(now);
    const poller = this.memory.get(address, sent) ?? this.#add(address, sent, reply, now);
    if (!poller) return undefined;
    poller.ask(now);
    if (poller.named && this.#excused.size > 0) this.#excused.delete(poller.named);
    this.#judge(poller);
    return poller.write(reply, at);
  }

  /** Notes how a check ended: `isServed` when the client closed cleanly after the whole reply. */
  closed(written: Written, isServed: boolean, now: number): void {
    written?.poller.close(written, isServed, now);
    if (written?.isCertain) this.#judge(written.poller);
  }

  /** Why a poller counts now, or that it does not. */
  standing(poller: Poller, now: number): Standing {
    return findStanding(this.options, poller, now);
  }

  /** The lines of a load balancer that is named. */
  of(named: Named): readonly Poller[] {
    return named.addresses.flatMap((address) => this.memory.at(address));
  }

  /** Whether a named load balancer was forgotten for this service, and has not asked since. */
  isExcused(named: Named, name: string | undefined): boolean {
    const names = this.#excused.get(named);
    return names !== undefined && (names.has(undefined) || names.has(name));
  }

  /**
   * Forgets these pollers, and of named load balancers these (for a service only, where a name is
   * given) until they ask again.
   */
  forget(pollers: Iterable<Poller>, named: Iterable<Named>, name: string | undefined): void {
    for (const poller of pollers) this.memory.remove(poller);
    for (const each of named) {
      const names = this.#excused.get(each) ?? new Set();
      this.#excused.set(each, names.add(name));
    }
  }

  /** Forgets who has been silent for so long that it is not waited for. */
  sweep(now: number): void {
    this.#sweptAt = now;
    this.memory.expire(now);
    const { forget, log } = this.options;
    for (const poller of this.memory) {
      const silent = now - poller.askedAt;
      if (isBalancer(poller.named)) {
        const isStray = poller.asks < KNOWN_AFTER && silent > STRAY_MS;
        if (isStray && this.of(poller.named).length > 1) this.memory.remove(poller);
      } else if (forget !== undefined && poller.isKnown && silent > forget * 1000) {
        this.memory.remove(poller);
        log?.("load balancer forgotten", { ...fieldsOf(poller), silent: toSeconds(silent) });
      }
    }
  }

  /** Who takes the place of checks of an address that have sent nothing; undefined: it has no line. */
  #findSilent(address: string, now: number): Poller | undefined {
    const lines = this.memory.at(address);
    const [first] = lines;
    if (first && !first.silent) {
      const silent = new Poller(address, "", undefined, now);
      for (const line of lines) line.silent = silent;
    }
    return first?.silent;
  }

  #add(address: string, sent: string, reply: string, now: number): Poller | undefined {
    const [beside] = this.memory.at(address);
    const named = beside ? beside.named : this.options.named?.find(address);
    const poller = new Poller(address, sent, named, now);
    poller.silent = beside?.silent;
    const isStranger = (each: Poller) => this.standing(each, now) === "stranger";
    if (reply === NO_SERVICE) this.#logName(poller);
    return this.memory.add(poller, isStranger, now) ? poller : undefined;
  }

  /** Whether it is a load balancer from now on; or a stranger that should perhaps be one. */
  #judge(poller: Poller): void {
    if (poller.isKept) return;
    const mayCount = !this.options.named || poller.named !== undefined;
    if (isBalancer(poller.named) || (mayCount && poller.isKnown)) this.memory.keep(poller);
    if (mayCount || poller.isLogged || poller.serves < KNOWN_AFTER) return;
    poller.isLogged = true;
    const interval = toSeconds(poller.interval);
    this.options.log?.("not counted, HAPGENT_POLLERS does not name it", {
      ...fieldsOf(poller),
      interval,
    });
  }

  #logName(poller: Poller): void {
    const name = nameIn(poller.sent);
    if (this.#namesLogged.has(name) || this.#namesLogged.size >= NAMES_LOGGED) return;
    this.#namesLogged.add(name);
    this.options.log?.("a check asks for no service", {
      ...fieldsOf(poller),
      hint: name.endsWith("\\n") ? "no newline: HAProxy keeps \\n in single quotes" : undefined,
    });
  }
}

/** Whether an entry of HAPGENT_POLLERS is a load balancer of its own, not a network. */
export function isBalancer(named: Named | undefined): named is Named {
  return named !== undefined && named.addresses.length > 0;
}

/** Milliseconds as seconds, with one decimal. */
export function toSeconds(milliseconds: number): number {
  return Math.round(milliseconds / 100) / 10;
}

function fieldsOf({ address, sent }: Poller): LogFields {
  return { address, sent };
}

function findStanding(
  { named, forget, now: start }: PollersOptions,
  poller: Poller,
  now: number,
): Standing {
  if (named && !poller.named) return "stranger";
  if (isBalancer(poller.named)) return "named";
  const silent = now - poller.askedAt;
  if (poller.isKnown) {
    if (forget !== undefined && silent > forget * 1000) return "stranger";
    return poller.named ? "in a named network" : "three checks";
  }
  const limit = now - start < START_MS ? NEW_AFTER_START_MS : NEW_MS;
  // One that asks and gets nothing may be slow.
  const slow = poller.asks >= KNOWN_AFTER ? 3 * poller.rhythm.longest : 0;
  return silent < Math.max(limit, slow) ? "new" : "stranger";
}
