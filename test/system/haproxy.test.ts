// A real HAProxy sees every field of the state, with agent-send or without; and what is said of it in
// deploy/haproxy is so. No check fails, across its reloads too.
import { describe, expect, test } from "bun:test";
import { startAgent } from "../../scripts/lib/agent.ts";
import { until } from "../../scripts/lib/until.ts";
import type { State } from "../../src/state/state.ts";
import { proxy, type ServerRow, startHaproxy } from "../haproxy.ts";

/** States in turn, and what HAProxy shows after each; `via agent` is for health words only. */
const STATES: [State, Partial<ServerRow>][] = [
  [{ status: "UP" }, { status: "UP", agent_status: "L7OK", last_agt: "via agent : UP" }],
  [{ status: "DOWN" }, { status: "DOWN (agent)", last_agt: "via agent : DOWN" }],
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
  [
    { status: "UP", weight: 0, maxconn: 0 },
    { status: "UP", uweight: 0, slim: Infinity },
  ],
  [{ status: "STOPPED" }, { status: "DOWN (agent)", last_agt: "via agent : STOPPED" }],
  [
    { status: "DOWN", reason: 'deploying, "v42"' },
    { status: "DOWN (agent)", last_agt: 'via agent : DOWN (deploying, "v42")' },
  ],
];

describe.concurrent("a HAProxy", () => {
  test.each([
    ["without agent-send", ""],
    ["with agent-send", 'agent-send "be/s\\n"'],
  ])("sees status, weight, maxconn and reason, %s", async (_, agentSend) => {
    await using agent = await startAgent({ state: { status: "READY" } });
    await using haproxy = await startHaproxy(proxy(agent.port, agentSend));
    for (const [state, expected] of STATES) {
      agent.change(state);
      await haproxy.shows(expected);
    }
    await haproxy.reload();
    agent.change({ status: "UP", reason: "again" });
    await haproxy.shows({ last_agt: "via agent : UP (again)" });
    expect(haproxy.failedChecks()).toEqual([]);
  });

  test("sends no request where 50% of `weight 1` is 0", async () => {
    await using agent = await startAgent({ state: { status: "UP" } });
    await using haproxy = await startHaproxy(proxy(agent.port, "weight 1"));
    await haproxy.shows({ status: "UP", uweight: 1 });
    expect((await haproxy.get()).status).toBe(200);
    agent.change({ status: "UP", weight: 50 });
    await haproxy.shows({ status: "UP", uweight: 0 });
    expect((await haproxy.get()).status).toBe(503);
  });

  test("leaves a server as it was when its agent is gone, and says so", async () => {
    await using agent = await startAgent({ state: { status: "DOWN" } });
    await using haproxy = await startHaproxy(proxy(agent.port));
    await haproxy.shows({ status: "DOWN (agent)", last_agt: "via agent : DOWN" });
    await agent.stop("SIGKILL");
    // HAProxy 3.4 puts words around it.
    await until("it says so", async () => {
      return (await haproxy.server()).last_agt.includes("Connection refused");
    });
    await haproxy.shows({ status: "DOWN (agent)", agent_status: "L4CON" });
    // What must not happen above is seen.
    await until("a failed check", () => haproxy.failedChecks().length > 0);
  });

  test("keeps an operator's drain with UP, and ends it with READY", async () => {
    await using agent = await startAgent({ state: { status: "UP" } });
    await using haproxy = await startHaproxy(proxy(agent.port));
    await haproxy.shows({ status: "UP", agent_status: "L7OK" });
    await haproxy.command("set server be/s state drain");
    agent.change({ status: "UP", reason: "still" });
    await haproxy.shows({ srv_admin_state: 8, last_agt: "via agent : UP (still)" });
    agent.change({ status: "READY" });
    await haproxy.shows({ srv_admin_state: 0 });
  });
});
