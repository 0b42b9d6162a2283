import { ADMIN, HEALTH } from "../state/reply.ts";
import type { Status } from "../state/state.ts";

/** The words that an agent may send (HAProxy's configuration manual, "agent-check"). */
const WORD = /^(up|down|ready|drain|fail|maint|stopped|\d+%|maxconn:\d+)$/i;

/** Whether HAProxy knows every word of a reply. */
export function isWellFormed(reply: string): boolean {
  const words = listWords(reply);
  return words.length > 0 && words.every((word) => WORD.test(word));
}

/**
 * The statuses that a reply stands for. What keeps traffic away counts, and of each kind the last
 * word: `up drain` is DRAIN. `ready up` stands for both UP and READY, whose full replies are alike.
 */
export function readStatuses(reply: string): Status[] {
  const words = listWords(reply).map((word) => word.toUpperCase());
  const findLast = (kind: readonly Status[]) =>
    words.flatMap((word) => kind.find((status) => status === word) ?? []).at(-1);
  const admin = findLast(ADMIN);
  const health = findLast(HEALTH);
  if (admin !== undefined && admin !== "READY") return [admin];
  if (health !== undefined && health !== "UP") return [health];
  return [health, admin].filter((status) => status !== undefined);
}

/** The words of a reply, without a description: that comes after a health word, on its own. */
function listWords(reply: string): string[] {
  const words = reply.split(/[ \t,]+/).filter((word) => word !== "");
  const health = words.findIndex((word) => HEALTH.some((status) => status === word.toUpperCase()));
  const end = words.findIndex((word, i) => word.startsWith("#") && health >= 0 && i > health);
  return end < 0 ? words : words.slice(0, end);
}
