import type { State, Status } from "./state.ts";

/** How a reply is written: as the original does, or whole. */
export type ReplyMode = "exact" | "full";

/**
 * The words that put a server into a status whatever it was before. HAProxy keeps what a reply
 * leaves out: `up` alone never undoes `drain`, `ready` alone never undoes `down` (configuration
 * manual, "agent-check"). `maint` needs no health word: a server in maintenance has no health.
 */
const FULL_WORDS: Readonly<Record<Status, string>> = {
  UP: "ready up",
  READY: "ready up",
  DOWN: "ready down",
  FAIL: "ready fail",
  STOPPED: "ready stopped",
  DRAIN: "up drain",
  MAINT: "maint",
};

/**
 * The line that HAProxy reads: `STATUS[ WEIGHT%][ maxconn:N][ #REASON]\n`. A reason is left out
 * where no health word stands before it: there HAProxy would take it for an unknown word.
 *
 * @param mode `full` names health, administrative state and weight (100% when unset) in every
 * reply.
 */
export function formatReply(state: State, mode: ReplyMode): string {
  const { status, weight, maxconn, reason } = state;
  let reply: string = mode === "full" ? FULL_WORDS[status] : status;
  if (weight !== undefined) reply += ` ${weight}%`;
  else if (mode === "full") reply += " 100%";
  if (maxconn !== undefined) reply += ` maxconn:${maxconn}`;
  if (reason && isReasonShown(state, mode)) reply += ` #${reason}`;
  return `${reply}\n`;
}

/** Whether HAProxy shows a reason with this status: it takes one after a health word only. */
export function isReasonShown({ status }: State, mode: ReplyMode): boolean {
  return /\b(up|down|fail|stopped)\b/i.test(mode === "full" ? FULL_WORDS[status] : status);
}
