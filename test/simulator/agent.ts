import { Pollers } from "../../src/agent/pollers.ts";
import { parseNamedPollers } from "../../src/named-pollers.ts";
import type { SimulatedHost } from "./host.ts";
import type { Plan } from "./plan.ts";

/** An agent from its start to its stop. */
export class Agent {
  readonly pollers: Pollers;

  constructor(
    readonly host: SimulatedHost,
    plan: Plan,
    readonly startedAt: number,
  ) {
    const named = plan.named === undefined ? undefined : parseNamedPollers(plan.named);
    this.pollers = new Pollers({ named, forget: plan.forget, now: startedAt });
  }
}
