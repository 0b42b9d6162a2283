import { type AgentProcess, startAgent } from "../../scripts/lib/agent.ts";
import { freePort } from "../../scripts/lib/port.ts";
import { until } from "../../scripts/lib/until.ts";
import { STATUSES, type State, type Status } from "../../src/state/state.ts";
import { type HaproxyProcess, proxy, startHaproxy } from "../haproxy.ts";

/** How a server ends in HAProxy. */
export interface Outcome {
  /** Its administrative state: READY, DRAIN or MAINT. */
  admin: "READY" | "DRAIN" | "MAINT";
  /** Its health by the agent's word, which counts once it is READY. */
  health: "UP" | "DOWN";
  /** Percent. */
  weight: number;
  maxconn: number;
}

/** One status after another, and what HAProxy made of it. */
export interface Transition {
  from: Status;
  to: Status;
  /** After the old status without and with `LIMITS`. */
  ended: Outcome;
  endedLimited: Outcome;
}

/** Weight and maxconn that the old state has or has not; the new one never does. */
export const LIMITS = { weight: 50, maxconn: 100 };

/** What the server line says of weight and maxconn. */
const CONFIGURED = { weight: 100, maxconn: 500 };

/** Plays each status after each to a real HAProxy, through an agent with these variables. */
export async function playMatrix(env: Record<string, string> = {}): Promise<Transition[]> {
  const playRow = async (from: Status): Promise<Transition[]> => {
    await using agent = await startAgent({ state: { status: "READY" }, env });
    // A proxy of its own, where its checks can be counted.
    const tap = freePort();
    const configuration = `
listen tap
  mode tcp
  bind 127.0.0.1:${tap}
  server agent 127.0.0.1:${agent.port}
${proxy(tap)}`;
    await using haproxy = await startHaproxy(configuration);
    const row: Transition[] = [];
    for (const to of STATUSES) {
      const ended = await play(agent, haproxy, [{ status: from }, { status: to }]);
      const limited = [{ status: from, ...LIMITS }, { status: to }];
      row.push({ from, to, ended, endedLimited: await play(agent, haproxy, limited) });
    }
    return row;
  };
  // Nearly all of the time goes by in waiting for checks, so all rows are played at once; and all
  // of them to their end, so that no process is left behind when one fails.
  const rows = await Promise.allSettled(STATUSES.map(playRow));
  return rows.flatMap((row) => {
    if (row.status === "rejected") throw row.reason;
    return row.value;
  });
}

/** Tells a server that is as configured these states, one after another; returns how it ended. */
async function play(
  agent: AgentProcess,
  haproxy: HaproxyProcess,
  states: readonly State[],
): Promise<Outcome> {
  const fresh: State[] = [{ status: "UP", ...CONFIGURED }, { status: "READY" }];
  const reloads = () => agent.log.filter((line) => line.includes("cause=SIGHUP")).length;
  for (const state of [...fresh, ...states]) {
    const before = reloads();
    agent.change(state);
    await until("the agent has read its state", () => reloads() > before);
    // All but the last of three further checks have ended when that one begins.
    const end = (await haproxy.sessions("tap")) + 3;
    await until("checks", async () => (await haproxy.sessions("tap")) >= end);
  }
  const row = await haproxy.server();
  return {
    admin: row.srv_admin_state === 1 ? "MAINT" : row.srv_admin_state === 8 ? "DRAIN" : "READY",
    health: row.agent_health > 0 ? "UP" : "DOWN",
    weight: row.uweight,
    maxconn: row.slim,
  };
}

/**
 * The matrix as a Markdown table: rows are the old status, columns the new one. Bold is what a
 * server that was READY before would not have become.
 */
export function formatMatrix(transitions: readonly Transition[]): string {
  const ended = (from: Status, to: Status) => {
    const transition = transitions.find((t) => t.from === from && t.to === to);
    if (!transition) throw new Error(`${from} to ${to} was not played`);
    return describeOutcome(transition.ended);
  };
  // Statuses that HAProxy treats alike, as the old and as the new one, share a row and a column.
  const signature = (status: Status) =>
    JSON.stringify(STATUSES.map((other) => [ended(status, other), ended(other, status)]));
  const groups = Map.groupBy(
    STATUSES,
    (status) => STATUSES.find((first) => signature(first) === signature(status)) ?? status,
  );
  const rows = [...groups].map(([from, alike]) => {
    const cells = [...groups.keys()].map((to) => {
      const outcome = ended(from, to);
      return outcome === ended("READY", to) ? outcome : `**${outcome}**`;
    });
    return [alike.join(", "), ...cells];
  });
  const header = ["before \\ now", ...[...groups.values()].map((alike) => alike.join(", "))];
  return formatTable([header, ...rows]);
}

/** A Markdown table with columns in line, as the formatter of this repository leaves it. */
function formatTable([header = [], ...rows]: string[][]): string {
  const widths = header.map((_, i) =>
    Math.max(...[header, ...rows].map((row) => row[i]?.length ?? 0)),
  );
  const line = widths.map((width) => "-".repeat(width));
  return [header, line, ...rows]
    .map((row) => `| ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`)
    .join("\n");
}

/** How a server ended: `DRAIN, DOWN` is drained, and down once it no longer is. */
function describeOutcome({ admin, health }: Outcome): string {
  if (admin === "READY") return health;
  return health === "UP" ? admin : `${admin}, ${health}`;
}
