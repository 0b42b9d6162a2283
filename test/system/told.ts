import { type AgentOptions, type AgentProcess, startAgent } from "../../scripts/lib/agent.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import type { HaproxyProcess } from "../haproxy.ts";
import { listPollers } from "./client.ts";

/** An address that only these agents have: nobody else asks them. */
export const HOST = "127.5.0.2";

/** A backend for each agent-send, all of one agent. */
export function configure(
  port: number,
  sends: readonly string[],
  interval = "2s",
  source = "127.0.0.1",
): string {
  const backends = sends.map(
    (send, i) => `
backend be${i}
  server s unix@service.sock weight 100 check inter 200ms agent-check agent-inter ${interval} \
    agent-addr ${HOST} agent-port ${port} agent-send "${send}" source ${source}
`,
  );
  // The first checks come at once, however long the interval.
  return `global\n  max-spread-checks 100ms\n${backends.join("")}`;
}

/** What HAProxy shows of each line. */
export function statuses(haproxy: HaproxyProcess, count: number): Promise<string[]> {
  const names = Array.from({ length: count }, (_, i) => `be${i}/s`);
  return Promise.all(names.map(async (name) => (await haproxy.server(name)).status));
}

/** An agent that learns who its load balancers are. */
export async function startLearning(): Promise<AgentProcess> {
  const env = { ...TUNED, HAPGENT_REPLY: "full" };
  return await startAgent({ state: { status: "UP" }, socket: true, hostname: HOST, env });
}

/** An agent that knows them, by their address. */
export async function startTold(
  env: Record<string, string> = {},
  state: AgentOptions = { state: { status: "UP" } },
): Promise<AgentProcess> {
  return await startAgent({
    ...state,
    socket: true,
    hostname: HOST,
    env: { ...TUNED, HAPGENT_POLLERS: "127.0.0.1", HAPGENT_REPLY: "full", ...env },
  });
}

/**
 * Waits until so many lines at least were served: HAProxy closes cleanly after the reply. One of a
 * test that has ended may ask yet, on a port that this agent was given after it.
 */
export async function served(agent: AgentProcess, count: number): Promise<void> {
  let all: unknown;
  await until(`${count} pollers`, async () => {
    const pollers = await listPollers(agent);
    all = pollers;
    return pollers.filter(({ isServed }) => isServed).length >= count;
  }).catch((error: Error) => {
    throw new Error(`${error.message}; the last were ${JSON.stringify(all)}`);
  });
}
