import type { AgentProcess } from "../../scripts/lib/agent.ts";
import { until } from "../../scripts/lib/until.ts";
import { converse } from "../../src/commands/conversation.ts";

/** Sends a command to the control socket, as `hapgent ctl` does, and returns the answer. */
export async function tell({ socket }: AgentProcess, command: string): Promise<string> {
  const { answer, close } = await converse({ path: socket, command, seconds: 600 });
  close();
  return answer;
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
