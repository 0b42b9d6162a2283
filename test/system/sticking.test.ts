// What sticks in a real HAProxy, from every status to every other: what the table in deploy/haproxy says,
// and with HAPGENT_REPLY=full nothing but a maxconn.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { startAgent } from "../../scripts/lib/agent.ts";
import { ROOT } from "../../scripts/lib/shell.ts";
import { STATUSES, type State, type Status } from "../../src/state/state.ts";
import { proxy, startHaproxy } from "../haproxy.ts";
import { settled, tell } from "./client.ts";

/** What the server line says, and what the agent says only with the old status. */
const CONFIGURED = { weight: 100, maxconn: 500 };
const BEFORE = { weight: 50, maxconn: 100 };

const IN_FORCE: Record<number, string> = { 1: "MAINT", 8: "DRAIN" };

/**
 * Plays each status after each to a HAProxy; tells how a server ended that had a weight and a maxconn
 * of before, as in the table: `DRAIN, DOWN` is drained, and down once it no longer is.
 */
async function play(mode: string) {
  const rows = STATUSES.map(async (from) => {
    const env = { HAPGENT_REPLY: mode, HAPGENT_POLLERS: "127.0.0.1" };
    await using agent = await startAgent({ state: { status: "UP" }, env, socket: true });
    await using haproxy = await startHaproxy(proxy(agent.port, 'agent-send "be/s\\n"'));
    return await Array.fromAsync(STATUSES, async (to) => {
      const states: State[] = [{ status: "UP", ...CONFIGURED }, { status: "READY" }];
      for (const state of [...states, { status: from, ...BEFORE }, { status: to }]) {
        await tell(agent, `set state ${JSON.stringify(state)}`);
        await settled(agent, 1);
      }
      const { srv_admin_state, agent_health, uweight, slim } = await haproxy.server();
      const [admin, health] = [IN_FORCE[srv_admin_state], agent_health > 0 ? "UP" : "DOWN"];
      const ended = admin && health === "DOWN" ? `${admin}, ${health}` : (admin ?? health);
      return { from, to, ended, weight: uweight, maxconn: slim };
    });
  });
  return (await Promise.all(rows)).flat();
}

/** What the table of deploy/haproxy says: before, now, and how the server ends. */
function readTable(): string[] {
  const text = readFileSync(`${ROOT}deploy/haproxy/README.md`, "utf8").replaceAll("*", "");
  const [, table = ""] = text.split("<!-- test/system/sticking.test.ts")[1]?.split("\n\n") ?? [];
  const cells = table.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));
  const [[, , ...nows] = [], , ...rows] = cells.map((row) => row.slice(0, -1));
  return rows.flatMap(([, befores = "", ...ends]) =>
    befores
      .split(", ")
      .flatMap((from) =>
        nows.flatMap((now, i) => now.split(", ").map((to) => `${from} ${to} ${ends[i]}`)),
      ),
  );
}

test("the table of what sticks is what HAProxy does; weight and maxconn always stick", async () => {
  const transitions = await play("exact");
  const ended = transitions.map((each) => `${each.from} ${each.to} ${each.ended}`);
  expect(ended.toSorted()).toEqual(readTable().toSorted());
  expect(transitions).toEqual(transitions.map((each) => ({ ...each, ...BEFORE })));
});

test("with HAPGENT_REPLY=full nothing but a maxconn sticks", async () => {
  const expected: Record<Status, string> = {
    ...{ UP: "UP", READY: "UP", DOWN: "DOWN", FAIL: "DOWN", STOPPED: "DOWN", DRAIN: "DRAIN" },
    // Health counts again when it leaves MAINT, and each reply that ends MAINT tells it.
    MAINT: expect.stringMatching(/^MAINT/),
  };
  const transitions = await play("full");
  expect(transitions).toEqual(
    transitions.map(({ from, to }) => ({ from, to, ended: expected[to], ...BEFORE, weight: 100 })),
  );
});
