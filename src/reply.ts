import type { State } from "./state.ts";

/** Words after which HAProxy reads a `#description`; after an administrative word it is an error. */
const HEALTH_WORDS: ReadonlySet<string> = new Set(["UP", "DOWN", "FAIL", "STOPPED"]);

/**
 * The line that HAProxy reads: `STATUS[ WEIGHT%][ maxconn:N][ #REASON]\n` (configuration manual,
 * "agent-check"). A reason is left out where HAProxy would take it for an unknown word.
 */
export function formatReply({ status, weight, maxconn, reason }: State): string {
  let reply: string = status;
  if (weight !== undefined) reply += ` ${weight}%`;
  if (maxconn !== undefined) reply += ` maxconn:${maxconn}`;
  if (reason && HEALTH_WORDS.has(status)) reply += ` #${reason}`;
  return `${reply}\n`;
}
