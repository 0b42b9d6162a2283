// The states that a deploy sets, those that are left to set, and what its last line says of them.
import { printable } from "../text.ts";
import { describe, isSame, type Setting, type Shown } from "./deploy-agent.ts";
import { formatWait } from "./deploy-balancers.ts";
import type { Plan } from "./deploy-plan.ts";

/** What a deploy sets while it works. */
export interface States {
  /** While the server is out. */
  readonly out: Setting;
  /** While it is out after the command has failed. */
  readonly failed: Setting;
  /**
   * What comes before `to` where replies are exact: HAProxy keeps a drain until READY, and a down
   * until UP. Undefined where `to` lets no traffic in.
   */
  readonly back: Setting | undefined;
  /** What it is to be in the end. */
  readonly to: Setting;
}

/** The reason ends in the process's id, so that nobody else has the same. */
export function makeStates(plan: Plan, pid: number, from: Setting, to = from): States {
  const reason = `${plan.reason} [${pid}]`;
  // What is out already is not opened: DRAIN lets through what DOWN and MAINT do not.
  const letsSome = isInRotation(from) || from.status === "DRAIN";
  const status = letsSome ? plan.status : from.status;
  return {
    out: { status, reason },
    failed: { status, reason: `failed: ${reason}` },
    back: isInRotation(to) ? { status: to.status === "UP" ? "READY" : "UP", reason } : undefined,
    to,
  };
}

/** Whether a state lets traffic in. */
export function isInRotation({ status }: Setting): boolean {
  return status === "UP" || status === "READY";
}

/** A state, and what is answered, if that is known. */
type Known = Setting & Partial<Shown>;

/** The state that a deploy has set last, or began from. */
export interface LastSet {
  readonly setting: Setting;
  /** False: it could not be saved, or that is not known. */
  readonly isSaved: boolean;
  /** Who knows where the server is, in words. */
  known: string;
}

/** Who knows. */
export const ALL = "every load balancer knows";
export const NOT_ALL = "not every load balancer is known to know";

/** Whether replies are full, in lower case; an agent that has restarted may have other settings. */
function isFull({ reply = "" }: Known): boolean {
  return /^[a-z]/.test(reply);
}

/** The states that lead back from one of these, in their order; none from others. */
export function listWayBack(now: Known, { to, out, failed, back }: States): Setting[] {
  if (back && isSame(now, back)) return [to];
  // Also where somebody has set that already: load balancers may still have the drain.
  const isOwn = [out, failed, to].some((each) => isSame(now, each));
  if (!isOwn) return [];
  return back && !isFull(now) ? [back, to] : [to];
}

/** The states that are still to be set, in their order; none when it is done, or not ours. */
function listLeft(now: Known, last: LastSet, states: States): Setting[] {
  const { to } = states;
  const way = listWayBack(now, states);
  if (!isSame(now, to)) return way;
  if (isSame(last.setting, to)) return last.isSaved ? [] : [to];
  // Somebody else has set it: a full reply leaves nothing in force in HAProxy.
  return states.back && !isFull(now) ? way : [];
}

/**
 * What the last line says of the state: what it is, who knows, and what to type next.
 *
 * @param shown undefined when it is not known.
 * @param host only where it keeps traffic out.
 */
export function describeEnd(
  shown: Shown | undefined,
  host: Shown | undefined,
  last: LastSet,
  states: States,
  plan: Plan,
): string[] {
  const now = shown ?? last.setting;
  const left = listLeft(now, last, states);
  const words: string[] = [];
  if (shown && left.length === 0 && !isSame(shown, states.to)) {
    words.push(describeForeign(shown, last.setting));
  } else {
    words.push(shown ? `the agent says ${shown.reply}` : "its state is not known");
    // Somebody may have set something meanwhile, perhaps what it is to be.
    const known = shown && isSame(shown, last.setting) ? last.known : NOT_ALL;
    const where = isInRotation(now) && !host ? "back" : "out";
    words.push(known === ALL ? `${ALL} that the server is ${where}` : known);
  }
  if (host) words.push(`the host is ${describe(host)}: the server is out`);
  if (left.length > 0) words.push(formatNext(now, left, states, plan));
  return words;
}

/** The commands that set what is left, and what for. */
function formatNext(now: Setting, left: Setting[], { back }: States, plan: Plan): string {
  const words = ["hapgent ctl"];
  if (plan.instance !== undefined) words.push(`--instance ${plan.instance}`);
  if (plan.service !== undefined) words.push(`@${plan.service}`);
  const ctl = words.join(" ");
  const wait = `${ctl} ${formatWait(plan)}`;
  const changes = left.map(
    (each, i) => `${ctl} change ${quoteSetting(left[i - 1] ?? now)} to ${quoteSetting(each)}`,
  );
  const commands = changes.join(` && ${wait} && `);
  if (back && isSame(now, back)) return `to finish: ${wait} && ${commands}`;
  const isThere = left.every((each) => isSame(now, each));
  return `to ${isThere ? "save it" : "put it back"}: ${commands}`;
}

/** A state as a shell takes it, in one word: a reason may begin like an option. */
function quoteSetting({ status, reason }: Setting): string {
  return reason ? `'${status} ${reason.replaceAll("'", `'\\''`)}'` : status;
}

/** A state that somebody else has set, and what HAProxy keeps beside it where replies are exact. */
function describeForeign(shown: Shown, last: Setting): string {
  const isKept = last.status === "DRAIN" || last.status === "MAINT";
  const isUndone = ["READY", "DRAIN", "MAINT"].includes(shown.status) || isFull(shown);
  const kept = isKept && !isUndone ? ` (HAProxy keeps the ${last.status} until READY)` : "";
  return `somebody has set it: it is ${describe(shown)}, and stays so${kept}`;
}

/** A command as it was typed, as far as a person needs it: at most one line of 100 characters. */
export function formatCommand(command: readonly string[]): string {
  const text = printable(command.join(" ").trim().replaceAll(/\s+/g, " "));
  return text.length > 100 ? `${text.slice(0, 97)}...` : text;
}

/** A time that has passed, from milliseconds: `2.6 s`, `64 s`. */
export function formatSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 9950 ? 1 : 0)} s`;
}
