import { YOUNG_MS } from "../controls.ts";
import type { Named } from "../named-pollers.ts";
import { NO_SERVICE, nameIn } from "../sent.ts";
import type { Host } from "./host.ts";
import type { Poller } from "./poller.ts";
import type { Pollers } from "./pollers.ts";
import { ALIKE_MS } from "./rhythm.ts";

/** How long the agent listens before it knows who asks (ms): five default intervals. */
export const LEARNING_MS = 10_000;

/** A line of a named load balancer has asked so often before it is known that there is no other. */
const NAMED_ASKS = 2;

/** The pollers of what is asked about. */
export interface Scope {
  readonly host: Host;
  readonly pollers: Pollers;
  /** The service; undefined: the host and all services. */
  readonly name: string | undefined;
}

/** What is asked about them. */
export interface Question extends Scope {
  /** How many pollers there are at least; 0: there may be none. */
  readonly count: number | undefined;
  /** Whether it is about the stop status, whatever the states are. */
  readonly isStop?: boolean;
}

/** Who counts, and who of them does not know. */
export interface Survey {
  readonly counted: readonly Poller[];
  /** Those that count and may not have the present reply. */
  readonly missing: readonly Poller[];
  /** Named load balancers that have to ask first. */
  readonly absent: readonly Named[];
  /** Those that count, and are not known as load balancers. */
  readonly recent: readonly Poller[];
  /** The one that asks most slowly of those that count. */
  readonly slowest: Poller | undefined;
  /** Those after whose outage others that look alike have yet to ask: they decide `settledAt`. */
  readonly resumed: readonly Poller[];
  /** From when on all that look alike have asked since the last change (ms). */
  readonly settledAt: number;
}

/** Looks at all pollers. */
export function survey(scope: Scope, now: number): Survey {
  const { pollers } = scope;
  const counted = [...pollers.memory].filter((poller) => counts(scope, poller, now));
  const intervals = counted.map((poller) => poller.interval);
  const longest = intervals.reduce((one, other) => Math.max(one, other), 0);
  const changedAt = findChange(scope);
  const passedAt = changedAt + Math.max(ALIKE_MS, longest);
  const resumed = counted.filter(({ rhythm }) => rhythm.settledAt(changedAt) > passedAt);
  return {
    counted,
    missing: counted.filter((poller) => !knows(scope, poller, now)),
    absent: pollers.named.balancers.filter((each) => isAbsent(scope, each, now)),
    recent: counted.filter((poller) => !poller.isBalancer),
    slowest: longest > 0 ? counted[intervals.indexOf(longest)] : undefined,
    resumed,
    settledAt: Math.max(passedAt, ...resumed.map(({ rhythm }) => rhythm.settledAt(changedAt))),
  };
}

/** Whether what a poller asks for is asked about. */
export function concerns({ name }: Scope, { sent }: Poller): boolean {
  return name === undefined || nameIn(sent) === name;
}

/** Whether a poller has to know: it may be a load balancer of this service. */
function counts(scope: Scope, poller: Poller, now: number): boolean {
  if (!concerns(scope, poller) || scope.pollers.standing(poller, now) === "stranger") return false;
  // A name that never was a service's is a mistake, and nobody to wait for.
  return scope.host.replyTo(poller.sent).text !== NO_SERVICE || !poller.hasHeardOnly(NO_SERVICE);
}

/** Whether a poller has the present reply, and all that look like it, or are lines beside it. */
function knows(scope: Scope, poller: Poller, now: number): boolean {
  if (poller.isNamed && poller.asks < NAMED_ASKS) return false;
  if (!poller.isTold(scope.host.replyTo(poller.sent).text)) return false;
  return !poller.rhythm.brokeOff(poller.askedAt, findChange(scope), now);
}

/** When what is asked about changed last (ms): nobody could be told before the agent listened. */
function findChange({ host, pollers, name }: Scope): number {
  return Math.max(host.changedAt(name), pollers.options.now);
}

/** Whether a named load balancer has to ask yet: it never has, or it may yet for this service. */
function isAbsent(scope: Scope, named: Named, now: number): boolean {
  const { pollers, name } = scope;
  if (pollers.isExcused(named, name)) return false;
  const lines = pollers.of(named);
  if (lines.some((line) => counts(scope, line, now))) return false;
  // It has asked for so long that it would have asked for this, if it does at all.
  return !lines.some(
    ({ since, askedAt, interval }) => interval > 0 && askedAt - since >= LEARNING_MS + interval,
  );
}

/** Why it cannot be said that all know. */
export type Problem =
  | "stopping"
  | "full"
  | "missing"
  | "few"
  | "nobody"
  | "learning"
  | "recent"
  | "unsettled";

/** Why it cannot be said now that all know; undefined when it can. */
export function findProblem(
  { host, pollers, count, isStop }: Question,
  found: Survey,
  now: number,
): Problem | undefined {
  const { counted, missing, absent, recent, settledAt } = found;
  // What all are told then is not the state.
  if (host.isStopping && !isStop) return "stopping";
  if (pollers.memory.isFull(now)) return "full";
  if (missing.length > 0 || absent.length > 0) return "missing";
  if (counted.length < (count ?? 0)) return "few";
  if (!count) {
    const { named, options } = pollers;
    // With addresses only nothing needs to be learned.
    if (named.networks.length > 0 && now - options.now < LEARNING_MS) return "learning";
    // Whether they are load balancers is not known so soon after a start.
    if (recent.length > 0 && now - options.now < YOUNG_MS) return "recent";
    if (recent.length === counted.length && count !== 0) return "nobody";
  }
  return now < settledAt ? "unsettled" : undefined;
}
