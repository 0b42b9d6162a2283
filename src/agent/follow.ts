import type { ReplyMode } from "../state/reply.ts";
import { REASON_LENGTH, type State } from "../state/state.ts";

/** What stands before the reason of a state that a command has set. */
const MARK = "follow:";

/**
 * The state that follows from what a command wants, as `hapgent-follow` asks for it. What a person
 * has set stays: a status that takes the server out, and between UP and READY their word, too. Like
 * HAProxy it keeps the weight and the maxconn that are not named.
 *
 * @returns undefined where it gives way.
 */
export function followState(old: State, wanted: State, mode: ReplyMode): State | undefined {
  const { reason: was, ...kept } = old;
  const { status: asked, reason, ...numbers } = wanted;
  const isOwn = was?.startsWith(MARK) === true;
  if (!isOwn && !isOpen(old)) return undefined;
  if (!isOwn && isOpen(wanted)) return { ...old, ...numbers };
  // With exact replies HAProxy keeps a DRAIN until READY.
  const isKept = mode === "exact" && ["DRAIN", "MAINT", "READY"].includes(old.status);
  const status = isOwn && isKept && asked === "UP" ? "READY" : asked;
  const marked = `${MARK} ${reason ?? ""}`.trim().slice(0, REASON_LENGTH);
  return { ...kept, ...numbers, status, reason: marked };
}

function isOpen({ status }: State): boolean {
  return status === "UP" || status === "READY";
}
