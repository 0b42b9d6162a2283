// What a deploy says.
import { printable } from "../text.ts";
import { isSame, type Setting, type Shown } from "./deploy-agent.ts";
import { type Balancer, formatWait } from "./deploy-balancers.ts";
import type { Plan } from "./deploy-plan.ts";

/** What a deploy has begun with, and what it sets while it works. */
export interface Settings {
  /** What it was. */
  readonly from: Setting;
  /** What it is to be in the end. */
  readonly to: Setting;
  /** While the server is out. */
  readonly out: Setting;
  /** While it is out after the command has failed. */
  readonly failed: Setting;
  /**
   * What comes before `to` where replies are exact: HAProxy keeps a drain until READY, and a down
   * until UP. Undefined where `to` lets no traffic in.
   */
  readonly back: Setting | undefined;
}

/** What a deploy begins from and ends at, and how. */
export interface Aim {
  readonly from: Setting;
  readonly to: Setting;
  readonly pid: number;
}

/** The reason ends in the process's id, so that nobody else has the same. */
export function makeSettings(plan: Plan, { from, to, pid }: Aim): Settings {
  const reason = `${plan.reason} [${pid}]`;
  // What is out already is not opened: DRAIN lets through what DOWN and MAINT do not.
  const letsSome = isInRotation(from) || from.status === "DRAIN";
  const status = letsSome ? plan.status : from.status;
  return {
    from,
    to,
    out: { status, reason },
    failed: { status, reason: `failed: ${reason}` },
    back: isInRotation(to) ? { status: to.status === "UP" ? "READY" : "UP", reason } : undefined,
  };
}

/** Whether a state lets traffic in. */
export function isInRotation({ status }: Setting): boolean {
  return status === "UP" || status === "READY";
}

/** What a deploy has set last. */
export interface LastSet {
  readonly setting: Setting;
  /** False: it could not be saved, or that is not known. */
  readonly isSaved: boolean;
}

/** What HAProxy still has of that where somebody else has set the state, and replies are exact. */
export function describeKept(shown: Shown, { setting }: LastSet): string {
  const keeps = setting.status === "DRAIN" || setting.status === "MAINT";
  const isUndone = ["READY", "DRAIN", "MAINT"].includes(shown.status) || isFull(shown);
  return keeps && !isUndone ? ` (HAProxy keeps the ${setting.status} until READY)` : "";
}

/** A state, and what is answered, if that is known. */
type Known = Setting & Partial<Shown>;

/** The states that lead back from one of these, in their order; none from others. */
export function listWayBack(now: Known, { to, out, failed, back }: Settings): Setting[] {
  if (back && isSame(now, back)) return [to];
  // Also where somebody has set that already: load balancers may still have the drain.
  const isOwn = [out, failed, to].some((each) => isSame(now, each));
  if (!isOwn) return [];
  return back && !isFull(now) ? [back, to] : [to];
}

/** Whether replies are full, in lower case; an agent that has restarted may have other settings. */
function isFull({ reply = "" }: Known): boolean {
  return /^[a-z]/.test(reply);
}

/**
 * The commands that go on from here, and what for; undefined when there is nothing to do, or it is
 * not ours.
 *
 * @param last what the deploy has set last: where that lets no traffic in, exact replies have to
 * take it back also when somebody else has set what it is to be.
 */
export function formatNext(
  now: Known,
  last: LastSet,
  settings: Settings,
  plan: Plan,
): string | undefined {
  const { to, back } = settings;
  const isThere = isSame(now, to);
  const isLast = isSame(last.setting, to);
  const isDone = isThere && (isLast ? last.isSaved : !back || isFull(now));
  const isUnsaved = isThere && isLast;
  const way = isUnsaved ? [to] : listWayBack(now, settings);
  if (isDone || way.length === 0) return undefined;
  const words = ["hapgent ctl"];
  if (plan.instance !== undefined) words.push(`--instance ${plan.instance}`);
  if (plan.service !== undefined) words.push(`@${plan.service}`);
  const ctl = words.join(" ");
  const wait = `${ctl} ${formatWait(plan)}`;
  const changes = way.map(
    (each, i) => `${ctl} change ${quoteSetting(way[i - 1] ?? now)} to ${quoteSetting(each)}`,
  );
  const commands = changes.join(` && ${wait} && `);
  if (back && isSame(now, back)) return `to finish: ${wait} && ${commands}`;
  return `to ${isUnsaved ? "save it" : "put it back"}: ${commands}`;
}

/** A state as a shell takes it: `DRAIN 'deploying v42 [4711]'`. */
function quoteSetting({ status, reason }: Setting): string {
  return reason ? `${status} '${reason.replaceAll("'", `'\\''`)}'` : status;
}

/** A command as it was typed, as far as a person needs it: at most one line of 100 characters. */
export function formatCommand(command: readonly string[]): string {
  const text = printable(command.join(" ").replaceAll(/\s+/g, " "));
  return text.length > 100 ? `${text.slice(0, 97)}...` : text;
}

/** A time that has passed, from milliseconds: `2.6 s`, `64 s`. */
export function formatSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 9950 ? 1 : 0)} s`;
}

/** What is waited for, and for how long. */
export function describeWaiting({ wait }: Plan, slowest: Balancer | undefined): string {
  const pace = slowest ? `, of which ${slowest.address} asks every ${slowest.interval} s` : "";
  return `waiting for every load balancer${pace}, for up to ${wait} s`;
}
