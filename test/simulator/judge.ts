import type { Agent } from "./agent.ts";
import type { Line } from "./line.ts";
import type { Plan } from "./plan.ts";

/** Why the agent cannot know that a line does not, as the README has it; undefined: it should know. */
export function explain(
  line: Line,
  { agent, plan, lines }: { agent: Agent; plan: Plan; lines: readonly Line[] },
  now: number,
): string | undefined {
  const { heard, balancer } = line;
  if (line.knows === undefined && line.startedAt > agent.startedAt) {
    return "load balancer restarted, has read nothing since";
  }
  const twins = lines.filter(
    (each) => each.balancer.address === balancer.address && each.plan.sent === line.plan.sent,
  );
  const changedAt = agent.host.changedAt();
  const hasFailed = heard.asks === 0 || line.failedAt > changedAt - line.plan.timeout;
  if (twins.length > 1 && hasFailed) {
    return "one of several that look alike, its check failed or was late";
  }
  const named = agent.pollers.named.balancers.find(({ addresses }) =>
    addresses.includes(balancer.address),
  );
  if (heard.asks === 0) {
    if (!named) return "silent since the start of the agent";
    if (agent.pollers.isExcused(named, undefined)) return "forgotten";
    const beside = lines.filter((each) => each.balancer.address === balancer.address);
    const hasOther = beside.some(({ heard: other }) => other.asks >= 2);
    return hasOther ? "another line of a named address, not heard yet" : undefined;
  }
  if (named) return undefined;
  const silent = now - heard.askedAt;
  if (plan.forget !== undefined && silent > plan.forget * 1000) return "forgotten";
  const limit = now - agent.startedAt < 300_000 ? 60_000 : 10_000;
  const isKnown = heard.asks >= 3 && heard.serves > 0;
  return !isKnown && silent >= limit ? "silenced before its third check" : undefined;
}
