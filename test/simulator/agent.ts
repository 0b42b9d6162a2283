import { Host } from "../../src/agent/host.ts";
import { forgetAddress, forgetSilent } from "../../src/agent/poller-words.ts";
import { Pollers } from "../../src/agent/pollers.ts";
import { parseNamedPollers } from "../../src/named-pollers.ts";
import type { State } from "../../src/state/state.ts";
import type { Plan } from "./plan.ts";

/** The state files: that of the host, without a name, and those of its services. */
export type Files = ReadonlyMap<string | undefined, State>;

/** An agent from its start to its stop. */
export class Agent {
  readonly host: Host;
  readonly pollers: Pollers;

  constructor(
    { services, named, forget }: Pick<Plan, "services" | "named" | "forget">,
    files: Files,
    readonly startedAt: number,
  ) {
    this.host = new Host("exact", services.length > 0, startedAt);
    for (const [name, state] of files) this.host.put(name, state, "start", startedAt);
    const balancers = named === undefined ? undefined : parseNamedPollers(named);
    this.pollers = new Pollers({ named: balancers, forget, now: startedAt });
  }

  /** What a command about a service, or about all, works with. */
  scope(name?: string) {
    return { replies: this.host, pollers: this.pollers, name };
  }

  forget(address: string, now: number): void {
    forgetAddress(this.scope(), address, now);
  }

  forgetSilent(seconds: number, now: number): void {
    forgetSilent(this.scope(), seconds, now);
  }
}
