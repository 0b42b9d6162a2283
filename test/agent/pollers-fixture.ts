import { forgetAddress, forgetSilent, showPollers } from "../../src/agent/poller-words.ts";
import { Pollers, type Written } from "../../src/agent/pollers.ts";
import { Wait } from "../../src/agent/wait.ts";
import { describeWait } from "../../src/agent/wait-words.ts";
import type { LogFields } from "../../src/log.ts";
import { parseNamedPollers } from "../../src/named-pollers.ts";
import type { Status } from "../../src/state/state.ts";
import { SimulatedHost } from "../simulator/host.ts";

/** How an agent is set up. */
interface BenchOptions {
  readonly named?: string;
  readonly forget?: number;
  readonly services?: readonly string[];
  /** The age at which the agent plays (s): young ones are careful. */
  readonly age?: number;
}

/** A host, its pollers and a clock in seconds, which is set by hand. */
export class Bench {
  readonly host: SimulatedHost;
  readonly pollers: Pollers;
  readonly lines: { readonly message: string; readonly fields: LogFields }[] = [];
  #now = 0;

  constructor({ named, forget, services, age = 1000 }: BenchOptions = {}) {
    this.host = new SimulatedHost(services);
    this.pollers = new Pollers({
      named: named === undefined ? undefined : parseNamedPollers(named),
      forget,
      now: -age * 1000,
      log: (message, fields) => this.lines.push({ message, fields }),
    });
  }

  /** Sets the clock. */
  at(second: number): this {
    this.#now = second * 1000;
    return this;
  }

  set(status: Status, name?: string, by = "socket"): this {
    this.host.put(name, status, by, this.#now);
    return this;
  }

  /** Writes a reply: the present one. */
  write(address: string, sent?: string): Written {
    const reply = this.host.replyTo(sent ?? "").text;
    return this.pollers.written({ address, sent }, reply, this.#now);
  }

  close(written: Written, isServed = true): void {
    this.pollers.closed(written, isServed, this.#now);
  }

  /** Checks at these seconds, which are all served, or all not. */
  check(seconds: readonly number[], address: string, sent = "", isServed = true): this {
    for (const second of seconds) this.at(second).close(this.write(address, sent), isServed);
    return this;
  }

  /** What a wait of no time answers at a second. */
  wait(second: number, options: { name?: string; count?: number; seconds?: number } = {}): string {
    const { name, count, seconds = 0 } = options;
    const now = second * 1000;
    const scope = { replies: this.host, pollers: this.pollers, name };
    const wait = new Wait({ ...scope, seconds, count, now: now - seconds * 1000 });
    const end = wait.look(now);
    return end ? describeWait(wait, end, now) : "";
  }

  /** Begins a wait; what it answers at a second, or nothing while it goes on. */
  begin(seconds: number, options: { name?: string; count?: number } = {}) {
    const { name, count } = options;
    const scope = { replies: this.host, pollers: this.pollers, name };
    const wait = new Wait({ ...scope, seconds, count, now: this.#now });
    return (second: number) => {
      const end = wait.look(second * 1000);
      return end && describeWait(wait, end, second * 1000);
    };
  }

  forget(second: number, address: string, name?: string): string {
    const scope = { replies: this.host, pollers: this.pollers, name };
    return forgetAddress(scope, address, second * 1000);
  }

  forgetSilent(second: number, seconds: number, name?: string): string {
    const scope = { replies: this.host, pollers: this.pollers, name };
    return forgetSilent(scope, seconds, second * 1000);
  }

  /** What `show pollers` says at a second; the clock on the wall shows that second of 1970. */
  show(second: number, name?: string): Record<string, unknown>[] {
    const scope = { replies: this.host, pollers: this.pollers, name };
    return JSON.parse(showPollers(scope, second * 1000, second * 1000));
  }

  /** Who counts, and why. */
  standings(second: number): Record<string, unknown> {
    return Object.fromEntries(
      this.show(second).map(({ address, sent, why }) => [`${address} ${sent}`.trim(), why]),
    );
  }
}

/** Seconds from one on, in steps. */
export function every(step: number, from: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => from + i * step);
}
