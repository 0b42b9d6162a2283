import { startAgent } from "../../scripts/lib/agent.ts";
import { proxy, type ServerRow, startHaproxy } from "../../scripts/lib/haproxy.ts";
import type { State } from "../../src/state/state.ts";

/** States in turn, and what HAProxy shows after each; `via agent` is for health words only. */
const STATES: [State, Partial<ServerRow>][] = [
  [{ status: "UP" }, { status: "UP", agent_status: "L7OK", last_agt: "via agent : UP" }],
  [{ status: "DOWN" }, { status: "DOWN (agent)", last_agt: "via agent : DOWN" }],
  [{ status: "READY" }, { agent_status: "CHECKED", srv_admin_state: 0 }],
  [
    { status: "UP", weight: 75 },
    { status: "UP", uweight: 75, slim: 500 },
  ],
  [{ status: "DRAIN" }, { status: "DRAIN (agent)", agent_status: "CHECKED", srv_admin_state: 8 }],
  [{ status: "MAINT" }, { status: "MAINT", agent_status: "CHECKED", srv_admin_state: 1 }],
  [
    { status: "READY", weight: 50, maxconn: 100 },
    { uweight: 50, slim: 100, srv_admin_state: 0 },
  ],
  [{ status: "FAIL" }, { status: "DOWN (agent)", last_agt: "via agent : FAIL", uweight: 50 }],
  [
    { status: "UP", weight: 0 },
    { status: "UP", uweight: 0, slim: 100 },
  ],
  [{ status: "STOPPED" }, { status: "DOWN (agent)", last_agt: "via agent : STOPPED" }],
  [
    { status: "UP", weight: 255, maxconn: 65535 },
    { status: "UP", uweight: 255, slim: 65535 },
  ],
  [
    { status: "DOWN", reason: 'deploying, "v42"' },
    { status: "DOWN (agent)", last_agt: 'via agent : DOWN (deploying, "v42")' },
  ],
];

/** Gives an agent each of these states and waits until a real HAProxy shows it. */
export async function showStates(serverOptions: string, haproxyCommand?: string[]): Promise<void> {
  await using agent = await startAgent({ state: { status: "READY" } });
  await using haproxy = await startHaproxy(proxy(agent.port, serverOptions), haproxyCommand);
  for (const [state, expected] of STATES) {
    agent.change(state);
    await haproxy.shows(expected);
  }
}
