import type { Replies, Standpoint } from "../../src/agent/survey.ts";
import { NO_SERVICE, nameIn } from "../../src/sent.ts";
import type { Status } from "../../src/state/state.ts";

interface Entry extends Standpoint {
  readonly state: { readonly status: Status; readonly weight: number };
}

/** A host and its services, as far as the rules about pollers see them. */
export class SimulatedHost implements Replies {
  version = 0;
  own: Entry = { state: { status: "UP", weight: 100 }, by: "start" };
  stopStatus: Status | undefined;
  readonly #hasServices: boolean;
  readonly #services = new Map<string, Entry>();
  /** By service; undefined: when any reply has changed. */
  readonly #changedAt = new Map<string | undefined, number>();

  constructor(names: readonly string[] = []) {
    this.#hasServices = names.length > 0;
    for (const name of names) this.put(name, "UP", "start", 0);
  }

  service(name: string): Entry | undefined {
    return this.#services.get(name);
  }

  names(): Iterable<string> {
    return this.#services.keys();
  }

  put(name: string | undefined, status: Status, by: string, now: number, weight = 100): void {
    const entry = { state: { status, weight }, by };
    if (name === undefined) this.own = entry;
    else this.#services.set(name, entry);
    this.change(name, now);
  }

  remove(name: string, now: number): void {
    this.#services.delete(name);
    this.change(name, now);
  }

  stop(status: Status | undefined, now: number): void {
    this.stopStatus = status;
    this.change(undefined, now);
  }

  replyTo(sent: string): { readonly text: string } {
    const host = this.stopStatus ?? this.own.state.status;
    const name = nameIn(sent);
    if (!this.#hasServices || name === "") return { text: `${host} ${this.own.state.weight}%` };
    const entry = this.#services.get(name);
    if (!entry) return { text: NO_SERVICE };
    const status = host === "UP" ? entry.state.status : host;
    return { text: `${status} ${entry.state.weight}%` };
  }

  changedAt(name?: string): number {
    return this.#changedAt.get(name) ?? 0;
  }

  /** A new state of the host may change every reply. */
  change(name: string | undefined, now: number): void {
    this.version += 1;
    this.#changedAt.set(undefined, now);
    if (name !== undefined) this.#changedAt.set(name, now);
    else for (const each of this.#services.keys()) this.#changedAt.set(each, now);
  }
}
