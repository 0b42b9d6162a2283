// A real HAProxy sees every field of the state, and no check fails: with agent-send or without,
// at 10 ms, across a reload.
import { describe, expect, test } from "bun:test";
import { startAgent } from "../../scripts/lib/agent.ts";
import { proxy, startHaproxy } from "../../scripts/lib/haproxy.ts";
import { showStates } from "./states.ts";

/** With a payload too: the agent must neither wait for one nor reset because of one. */
const AGENT_SEND = [
  ["without agent-send", ""],
  ["with agent-send", 'agent-send "be/s\\n"'],
] as const;

describe.concurrent("a HAProxy that asks every 10 ms", () => {
  test.each(AGENT_SEND)("sees status, weight, maxconn and reason, %s", async (_, agentSend) => {
    await showStates(agentSend);
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
