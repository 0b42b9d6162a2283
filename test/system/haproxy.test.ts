// A real HAProxy sees every field of the state, and no check fails: with agent-send or without,
// at 10 ms, across a reload.
import { describe, expect, test } from "bun:test";
import { startAgent } from "../../scripts/lib/agent.ts";
import type { State } from "../../src/state/state.ts";
import { proxy, type ServerRow, startHaproxy } from "../haproxy.ts";

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

/** With a payload too: the agent must neither wait for one nor reset because of one. */
const AGENT_SEND = [
  ["without agent-send", ""],
  ["with agent-send", 'agent-send "be/s\\n"'],
] as const;

describe.concurrent("a HAProxy that asks every 10 ms", () => {
  test.each(AGENT_SEND)("sees status, weight, maxconn and reason, %s", async (_, agentSend) => {
    await using agent = await startAgent({ state: { status: "READY" } });
    await using haproxy = await startHaproxy(proxy(agent.port, agentSend));
    for (const [state, expected] of STATES) {
      agent.change(state);
      await haproxy.shows(expected);
    }
  });

  test.each(AGENT_SEND)("has no failed check while the state changes, %s", async (_, agentSend) => {
    await using agent = await startAgent({ state: { status: "UP" } });
    await using haproxy = await startHaproxy(proxy(agent.port, agentSend));
    for (let change = 1; change <= 200; change += 1) {
      agent.signal("SIGUSR2");
      await haproxy.shows({ status: "DOWN (agent)" });
      agent.signal("SIGUSR1");
      await haproxy.shows({ status: "UP" });
    }
    expect(haproxy.failedChecks()).toEqual([]);
  });

  test("is answered across its reload, and knows the state again", async () => {
    await using agent = await startAgent({ state: { status: "DOWN", weight: 50 } });
    await using haproxy = await startHaproxy(proxy(agent.port));
    await haproxy.shows({ status: "DOWN (agent)", uweight: 50 });
    await haproxy.reload();
    await haproxy.shows({ status: "DOWN (agent)", uweight: 50 });
    agent.signal("SIGUSR1");
    await haproxy.shows({ status: "UP", uweight: 50 });
    expect(haproxy.failedChecks()).toEqual([]);
  });
});
