import type { AgentProcess } from "../../scripts/lib/agent.ts";
import { Load } from "../../scripts/lib/load.ts";
import { countSockets, isOpen, readUsage, type Usage } from "../../scripts/lib/proc.ts";
import { until } from "../../scripts/lib/until.ts";

/** Checks after which buffers have the size that they keep. */
const CHECKS = 500;

/**
 * One of each signal and a few hundred checks. The first save loads the module that saves (0.5 MB),
 * which stays; memory is compared with what the agent holds after this.
 */
export async function warmUp(agent: AgentProcess, connections = 32): Promise<void> {
  const sockets = countSockets(agent.pid);
  const reply = await agent.ask();
  const [first, last] = /^(ready up|UP)\b/.test(reply)
    ? (["SIGUSR2", "SIGUSR1"] as const)
    : (["SIGUSR1", "SIGUSR2"] as const);
  for (const signal of [first, "SIGHUP", last, "SIGHUP"] as const) {
    agent.log.length = 0;
    agent.signal(signal);
    await agent.logs(new RegExp(`cause=${signal}`));
  }
  await new Load(agent.port, { connections, checks: CHECKS }).finish();
  await until("clients gone", () => countSockets(agent.pid) === sockets);
  await untilClosed(agent);
}

/** Waits until the agent has closed its state file, which is a moment after it was read. */
export async function untilClosed({ pid, stateFile }: AgentProcess): Promise<void> {
  await until("state file closed", () => !isOpen(pid, stateFile));
}

/** How often it is given as many checks again in which to collect what clients have left. */
const ROUNDS = 20;

/** What RssAnon may grow by, in kB: a leak is megabytes here. The soak and the benchmark hold less. */
export const GROWTH_LIMIT = 3000;

/**
 * What the agent holds once all clients are gone. What they left is collected while checks go on
 * (idle, the agent does not even wake up for that), so there are some more as long as it holds too
 * much.
 */
export async function settle(
  agent: AgentProcess,
  before: Usage,
  limit = GROWTH_LIMIT,
): Promise<Usage> {
  const rest = () => {
    const usage = readUsage(agent.pid);
    return usage.descriptors === before.descriptors ? usage : undefined;
  };
  for (let round = 1; ; round += 1) {
    const usage = await until("all clients gone", rest);
    if (usage.memory < before.memory + limit || round > ROUNDS) return usage;
    await new Load(agent.port, { checks: CHECKS }).finish();
  }
}
