import { Host } from "../../src/agent/host.ts";
import { Pollers } from "../../src/agent/pollers.ts";
import { formatLine } from "../../src/log.ts";
import { parseNamedPollers } from "../../src/named-pollers.ts";
import type { State } from "../../src/state/state.ts";
import type { Plan } from "./plan.ts";

/** An agent from its start to its stop. */
export class Agent {
  readonly host: Host;
  readonly pollers: Pollers;
  readonly log: string[] = [];

  /**
   * @param files the states: that of the host, without a name, and those of its services.
   * @param startedAt when it listens.
   * @param readAt when it has read them.
   */
  constructor(
    { services = [], named, forget }: Pick<Plan, "services" | "named" | "forget">,
    files: ReadonlyMap<string | undefined, State>,
    readonly startedAt: number,
    readAt: number = startedAt,
  ) {
    this.host = new Host("exact", services.length > 0, readAt);
    for (const [name, state] of files) this.host.put(name, state, "start", readAt);
    this.pollers = new Pollers({
      named: named === undefined ? undefined : parseNamedPollers(named),
      forget,
      now: startedAt,
      log: (message, fields) => this.log.push(formatLine(message, fields).trimEnd()),
    });
  }

  /** What a command about a service, or about all, works with. */
  scope(name?: string) {
    return { host: this.host, pollers: this.pollers, name };
  }
}
