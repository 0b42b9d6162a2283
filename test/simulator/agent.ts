import { Host } from "../../src/agent/host.ts";
import { Pollers } from "../../src/agent/pollers.ts";
import { parseNamedPollers } from "../../src/named-pollers.ts";
import type { State } from "../../src/state/state.ts";
import type { Plan } from "./plan.ts";

/** An agent from its start to its stop. */
export class Agent {
  readonly host: Host;
  readonly pollers: Pollers;

  /** @param files the states: that of the host, without a name, and those of its services. */
  constructor(
    { services = [], named, forget }: Pick<Plan, "services" | "named" | "forget">,
    files: ReadonlyMap<string | undefined, State>,
    readonly startedAt: number,
  ) {
    this.host = new Host("exact", services.length > 0, startedAt);
    for (const [name, state] of files) this.host.put(name, state, "start", startedAt);
    const balancers = named === undefined ? undefined : parseNamedPollers(named);
    this.pollers = new Pollers({ named: balancers, forget, now: startedAt });
  }

  /** What a command about a service, or about all, works with. */
  scope(name?: string) {
    return { host: this.host, pollers: this.pollers, name };
  }
}
