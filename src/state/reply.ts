import type { State, Status } from "./state.ts";

/** How a reply is written: as the original does, or whole. */
export type ReplyMode = "exact" | "full";

/** Health words, from the best to the worst; UP, READY, DRAIN and MAINT are all healthy. */
export const HEALTH: readonly Status[] = ["UP", "DOWN", "STOPPED", "FAIL"];

/** Administrative words, from the most open to the most closed. */
export const ADMIN: readonly Status[] = ["READY", "DRAIN", "MAINT"];

/** Which of two states decides: the one whose status comes later; UP and READY come before all. */
const SEVERITY: Readonly<Record<ReplyMode, readonly Status[]>> = {
  exact: ["DRAIN", "DOWN", "STOPPED", "FAIL", "MAINT"],
  full: ["DRAIN", "MAINT", "DOWN", "STOPPED", "FAIL"],
};

/**
 * The line that HAProxy reads: `STATUS[ WEIGHT%][ maxconn:N][ #REASON]\n`.
 *
 * HAProxy keeps what a reply leaves out: `up` alone never undoes `drain`, `ready` alone never
 * undoes `down` (configuration manual, "agent-check"). So a full reply names health,
 * administrative part and weight (100% when unset). Only `maint` needs no health word: a server in
 * maintenance has no health.
 *
 * @param states what the reply is made of: the state that it is about, and those that come before
 * it (the host's, the stop status). Of health and administrative part each the most severe one
 * counts; weight and maxconn are those of the first. The reason is that of the state that decides,
 * and is left out where no health word stands before it: HAProxy would take it for an unknown word.
 */
export function formatReply(states: readonly [State, ...State[]], mode: ReplyMode): string {
  const [{ weight, maxconn }] = states;
  const { status, reason } = states.reduce((one, other) => decide(one, other, mode));
  let reply: string = mode === "full" ? formatFull(states) : status;
  if (weight !== undefined) reply += ` ${weight}%`;
  else if (mode === "full") reply += " 100%";
  if (maxconn !== undefined) reply += ` maxconn:${maxconn}`;
  if (reason && hasHealth(reply)) reply += ` #${reason}`;
  return `${reply}\n`;
}

/** Whether HAProxy shows a reason with this status: it takes one after a health word only. */
export function isReasonShown({ status }: State, mode: ReplyMode): boolean {
  return hasHealth(formatReply([{ status }], mode));
}

/** The state whose status and reason count: the second one unless it is open, or less severe. */
function decide(one: State, other: State, mode: ReplyMode): State {
  const severity = ({ status }: State) => SEVERITY[mode].indexOf(status);
  return severity(other) < 0 || severity(one) > severity(other) ? one : other;
}

function worst(words: readonly Status[], states: readonly State[]): string {
  const found = words.findLast((word) => states.some(({ status }) => status === word));
  return (found ?? words[0] ?? "").toLowerCase();
}

function formatFull(states: readonly State[]): string {
  const health = worst(HEALTH, states);
  const admin = worst(ADMIN, states);
  if (health !== "up" || admin === "ready") return `${admin} ${health}`;
  return admin === "drain" ? "up drain" : "maint";
}

function hasHealth(reply: string): boolean {
  return /\b(up|down|fail|stopped)\b/i.test(reply);
}
