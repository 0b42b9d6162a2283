import type { AgentProcess } from "../../scripts/lib/agent.ts";
import { until } from "../../scripts/lib/until.ts";
import { Connection } from "../contract/connection.ts";

/** Sends a command to the control socket, and returns the answer, for which it has ten minutes. */
export async function tell({ socket }: AgentProcess, command: string): Promise<string> {
  using client = await Connection.open(socket, `${command}\n`);
  await until(command, () => client.text.endsWith("\n"), 600_000);
  return client.text.trimEnd();
}

/** What counts of a row of `show pollers`. */
interface PollerRow {
  readonly interval: number | null;
  readonly isServed: boolean;
}

/**
 * Waits until so many at least were served the present reply, and ask in less than so many seconds:
 * no other line is expected. One of a test that has ended may ask yet, on a port that this agent was
 * given after it.
 */
export async function settled(agent: AgentProcess, count: number, limit = Infinity): Promise<void> {
  let rows: PollerRow[] = [];
  const what = () => `${count} pollers; the last were ${JSON.stringify(rows)}`;
  const isSettled = ({ isServed, interval }: PollerRow) => isServed && (interval ?? limit) < limit;
  const areThere = async () => {
    rows = JSON.parse(await tell(agent, "show pollers"));
    return rows.filter(isSettled).length >= count;
  };
  await until(what, areThere);
}
