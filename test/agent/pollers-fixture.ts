import { forgetAddress, forgetSilent, showPollers } from "../../src/agent/poller-words.ts";
import { Telling } from "../../src/agent/telling.ts";
import { Wait } from "../../src/agent/wait.ts";
import { describeWait } from "../../src/agent/wait-words.ts";
import type { State, Status } from "../../src/state/state.ts";
import { Agent } from "../simulator/agent.ts";
import type { Plan } from "../simulator/plan.ts";

/** How an agent is set up. */
interface BenchOptions extends Pick<Plan, "services" | "named" | "forget"> {
  /** The age at which the agent plays (s): young ones are careful. */
  readonly age?: number;
  /** How long it read its files before it listened (s). */
  readonly reading?: number;
}

/** What a command is about; how long a wait has lasted (s), and how many it is told that there are. */
interface About {
  readonly name?: string;
  readonly seconds?: number;
  readonly count?: number;
}

/** An agent that is UP, and a clock in seconds, which is set by hand. */
export class Bench extends Agent {
  #now = 0;

  constructor({ named, forget, services = [], age = 1000, reading = 0 }: BenchOptions = {}) {
    const up: State = { status: "UP" };
    const files = new Map([undefined, ...services].map((name) => [name, up]));
    super({ named, forget, services }, files, -age * 1000, (-age - reading) * 1000);
  }

  /** Sets the clock. */
  at(second: number): this {
    this.#now = second * 1000;
    return this;
  }

  set(status: Status, name?: string): this {
    this.host.put(name, { status }, "socket", this.#now);
    return this;
  }

  /** Writes the present reply; nothing is known of a client that has not sent anything yet. */
  write(address: string, sent?: string): Telling {
    const reply = this.host.replyTo(sent ?? "").text;
    return new Telling(this.pollers, address, sent, reply, this.#now);
  }

  /** Checks at these seconds, which are all served, or all not. */
  check(seconds: readonly number[], address: string, sent = "", isServed = true): this {
    for (const second of seconds) {
      this.at(second).write(address, sent).end(sent, isServed, this.#now);
    }
    return this;
  }

  /** What a wait answers at a second; undefined: it goes on. */
  wait(second: number, { name, seconds = 0, count }: About = {}): string | undefined {
    const now = second * 1000;
    const options = { ...this.scope(name), seconds, count, now: now - seconds * 1000 };
    const wait = new Wait(options);
    const end = wait.look(now);
    return end && describeWait(wait, end, now);
  }

  forget(second: number, address: string, name?: string): string {
    return forgetAddress(this.scope(name), address, second * 1000);
  }

  forgetSilent(second: number, seconds: number, name?: string): string {
    return forgetSilent(this.scope(name), seconds, second * 1000);
  }

  /** What `show pollers` says at a second; the clock on the wall shows that second of 1970. */
  show(second: number, name?: string): Record<string, unknown>[] {
    return JSON.parse(showPollers(this.scope(name), second * 1000, second * 1000));
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
