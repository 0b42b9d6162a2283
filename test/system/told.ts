import { type AgentProcess, startAgent } from "../../scripts/lib/agent.ts";
import type { HaproxyProcess } from "../haproxy.ts";

/** An address that only these agents have: nobody else asks them. */
const HOST = "127.5.0.2";

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
export async function startLearning(more: Record<string, string> = {}): Promise<AgentProcess> {
  const env = { HAPGENT_REPLY: "full", ...more };
  return await startAgent({ state: { status: "UP" }, socket: true, hostname: HOST, env });
}

/** An agent that knows them, by their address. */
export function startTold(env: Record<string, string> = {}): Promise<AgentProcess> {
  return startLearning({ HAPGENT_POLLERS: "127.0.0.1", ...env });
}
