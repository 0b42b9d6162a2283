import type { LogFields } from "../log.ts";
import type { Named, NamedPollers } from "../named-pollers.ts";
import { NO_SERVICE, nameIn, PROBE_MARK } from "../sent.ts";
import type { Doubt } from "./doubts.ts";
import { type Asker, KNOWN_AFTER, Poller } from "./poller.ts";
import { PollerMemory } from "./poller-memory.ts";

/** The silence after which a new poller does not count any more (ms). */
const NEW_MS = 10_000;

/** That silence while slow lines have had no time to ask twice, and how long that is (ms). */
const NEW_AFTER_START_MS = 60_000;
const START_MS = 300_000;

/** The silence after which one that is no load balancer is forgotten (ms). */
const STRANGER_MS = 600_000;

/** How often the agent forgets by itself, where nobody looks (ms). */
const SWEEP_MS = 60_000;

/** How many names that are no service's, and how many addresses of strangers, are logged. */
const LOGGED = 32;

/** Without HAPGENT_POLLERS anybody may be a load balancer, as in a network that holds all. */
const ANYBODY: Named = { text: "anybody", addresses: [] };
const EVERYBODY: NamedPollers = { balancers: [], networks: [ANYBODY], find: () => ANYBODY };

/** Why a poller counts, or that it does not. */
export type Standing = "named" | "in a named network" | "three checks" | "new" | "stranger";

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
  /** Who may count. */
  readonly named: NamedPollers;
  readonly memory = new PollerMemory();
  /** Named load balancers that are gone, for which services (undefined: all), until they ask. */
  readonly #excused = new Map<Named, Set<string | undefined>>();
  readonly #namesLogged = new Set<string>();
  readonly #strangersLogged = new Set<string>();
  #sweptAt: number;

  constructor(readonly options: PollersOptions) {
    this.named = options.named ?? EVERYBODY;
    this.#sweptAt = options.now;
  }

  /** Notes that one asks. Undefined: nobody that is remembered. */
  ask(asker: Asker, reply: string, now: number): Poller | undefined {
    if (asker.sent.startsWith(PROBE_MARK)) return undefined;
    if (now - this.#sweptAt >= SWEEP_MS) this.sweep(now);
    const poller = this.memory.get(asker) ?? this.#add(asker, reply, now);
    if (!poller) return undefined;
    poller.ask(now);
    this.memory.place(poller);
    if (poller.named && this.#excused.size > 0) this.#excused.delete(poller.named);
    return poller;
  }

  /** Notes that one closed cleanly after a whole reply. */
  serve(poller: Poller, told: Doubt, now: number): void {
    const { address, sent, named, serves } = poller;
    poller.serve(told, now);
    if (poller.isBalancer) this.memory.place(poller);
    if (named || serves === poller.serves || poller.serves !== KNOWN_AFTER) return;
    if (!isNew(address, this.#strangersLogged)) return;
    const fields = { address, sent, interval: toSeconds(poller.interval) };
    this.options.log?.("not counted, HAPGENT_POLLERS does not name it", fields);
  }

  /** Why a poller counts now, or that it does not. */
  standing(poller: Poller, now: number): Standing {
    const { now: start, forget = Infinity } = this.options;
    const { named, asks, rhythm } = poller;
    if (!named) return "stranger";
    if (poller.isNamed) return "named";
    const silent = now - poller.askedAt;
    if (poller.isKnown) {
      if (silent > forget * 1000) return "stranger";
      return named === ANYBODY ? "three checks" : "in a named network";
    }
    const limit = now - start < START_MS ? NEW_AFTER_START_MS : NEW_MS;
    // One that asks and gets nothing may be slow.
    const slow = asks >= KNOWN_AFTER ? 3 * rhythm.longest : 0;
    return silent < Math.max(limit, slow) ? "new" : "stranger";
  }

  /** The lines of a load balancer that is named. */
  of({ addresses }: Named): readonly Poller[] {
    return addresses.flatMap((address) => this.memory.at(address));
  }

  /** Whether a named load balancer was forgotten for this service, and has not asked since. */
  isExcused(named: Named, name: string | undefined): boolean {
    const names = this.#excused.get(named);
    return names !== undefined && (names.has(undefined) || names.has(name));
  }

  /** Forgets a named load balancer, for a service only where a name is given, until it asks again. */
  excuse(named: Named, name: string | undefined): void {
    const names = this.#excused.get(named) ?? new Set();
    this.#excused.set(named, names.add(name));
  }

  /** Forgets who has been silent for so long that it is not waited for. */
  sweep(now: number): void {
    this.#sweptAt = now;
    const { forget = Infinity, log } = this.options;
    for (const poller of this.memory) {
      const { address, sent, named } = poller;
      const silent = now - poller.askedAt;
      const isBeside = named !== undefined && this.#count(named) > 1;
      // Beside another line of a named one, who has hardly asked was a person.
      const isStray = poller.isNamed ? isBeside && poller.asks < KNOWN_AFTER : !poller.isBalancer;
      if (isStray && silent > STRANGER_MS) this.memory.remove(poller);
      else if (!poller.isNamed && poller.isBalancer && silent > forget * 1000) {
        this.memory.remove(poller);
        log?.("load balancer forgotten", { address, sent, silent: toSeconds(silent) });
      }
    }
  }

  /** How many lines a named one has: to copy them all for each of them would hold up checks. */
  #count({ addresses }: Named): number {
    return addresses.reduce((sum, address) => sum + this.memory.at(address).length, 0);
  }

  #add({ address, sent }: Asker, reply: string, now: number): Poller | undefined {
    const [beside] = this.memory.at(address);
    const named = beside ? beside.named : this.named.find(address);
    const poller = new Poller(address, sent, named, now);
    poller.shared = beside?.shared;
    const isStranger = (each: Poller) => this.standing(each, now) === "stranger";
    if (reply === NO_SERVICE) this.#logName(poller);
    return this.memory.add(poller, isStranger, now) ? poller : undefined;
  }

  #logName({ address, sent }: Asker): void {
    const name = nameIn(sent);
    if (!isNew(name, this.#namesLogged)) return;
    const hint = name.endsWith("\\n")
      ? "no newline: HAProxy keeps \\n in single quotes"
      : undefined;
    this.options.log?.("a check asks for no service", { address, sent, hint });
  }
}

/** Whether something is to be logged: the first of them, each once. Anybody can send more. */
function isNew(text: string, logged: Set<string>): boolean {
  if (logged.has(text) || logged.size >= LOGGED) return false;
  logged.add(text);
  return true;
}

/** Milliseconds as seconds, with one decimal. */
export function toSeconds(milliseconds: number): number {
  return Math.round(milliseconds / 100) / 10;
}
