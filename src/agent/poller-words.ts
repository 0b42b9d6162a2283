import { type Named, normalizeIp } from "../named-pollers.ts";
import { quote } from "../text.ts";
import type { Doubt } from "./doubts.ts";
import type { Poller } from "./poller.ts";
import { toSeconds } from "./pollers.ts";
import { concerns, type Scope } from "./survey.ts";

/** How many pollers a line names. */
const NAMED_LIMIT = 8;

/** Who is silent for this time (ms), and three of its intervals, does not ask any more. */
const SILENT_MS = 10_000;

/** `show pollers`: who asks, who of them counts and why, and what each was told, as JSON. */
export function showPollers(scope: Scope, now: number, clock: number = Date.now()): string {
  const { pollers, host, name } = scope;
  pollers.sweep(now);
  const toDate = (at: number) => new Date(clock - (now - at)).toISOString();
  const shown = [...pollers.memory]
    .filter((poller) => concerns(scope, poller))
    .toSorted((one, other) => one.askedAt - other.askedAt)
    .map((poller) => {
      const { address, sent, told, interval } = poller;
      const isCertain = told !== undefined && poller.isTold(told);
      const why = pollers.standing(poller, now);
      return {
        address,
        sent,
        age: Math.round(now - poller.askedAt) / 1000,
        since: toDate(poller.since),
        interval: interval === 0 ? null : Math.round(interval) / 1000,
        reply: isCertain ? told : null,
        ...(!isCertain && { perhaps: listReplies([{ reply: told }, ...poller.doubts]) }),
        isServed: poller.isTold(host.replyTo(sent).text),
        counts: why !== "stranger",
        why,
      };
    });
  const absent = pollers.named.balancers
    .filter((each) => pollers.of(each).length === 0)
    .map((each) => ({
      ...{ address: each.text, sent: null, age: null, since: null, interval: null, reply: null },
      ...{ isServed: false, counts: !pollers.isExcused(each, name), why: "named" },
    }));
  return JSON.stringify([...absent, ...shown]);
}

/** `forget ADDRESS`: what has become of it. */
export function forgetAddress(scope: Scope, address: string, now: number): string {
  const { pollers, name } = scope;
  const ip = normalizeIp(address) ?? address;
  const named = pollers.named.balancers.find(({ addresses }) => addresses.includes(ip));
  const lines = named ? pollers.of(named) : pollers.memory.at(ip);
  const gone = lines.filter((poller) => concerns(scope, poller));
  if (gone.length === 0 && (!named || pollers.isExcused(named, name))) {
    const of = name === undefined ? "" : ` of ${quote(name)}`;
    return `error: no poller${of} has the address ${quote(address)}`;
  }
  for (const poller of gone) pollers.memory.remove(poller);
  if (named) pollers.excuse(named, name);
  if (gone.length === 0) return `ok forgotten: ${address}, which has never asked`;
  return `ok forgotten: ${countPollers(gone.length)} of ${address}${describeAsking(gone, now)}`;
}

/** `forget silent SECONDS`: what has become of it. */
export function forgetSilent(scope: Scope, seconds: number, now: number): string {
  const { pollers, name } = scope;
  const since = now - seconds * 1000;
  const isSilent = (poller: Poller) => poller.askedAt <= since && concerns(scope, poller);
  const gone = [...pollers.memory].filter(isSilent);
  const areDue = pollers.options.now <= since;
  const listAbsent = () =>
    pollers.named.balancers.filter(
      (each) => areDue && pollers.of(each).length === 0 && !pollers.isExcused(each, name),
    );
  const never = listAbsent();
  for (const poller of gone) pollers.memory.remove(poller);
  for (const each of listAbsent()) pollers.excuse(each, name);
  const names = [...gone.map(describeAsker), ...never.map(({ text }) => text)];
  const who = names.length > 0 ? `: ${list(names)}` : "";
  const silent = `${countPollers(names.length)} silent for ${seconds} s`;
  return `ok forgotten: ${silent}${who}${describeAsking(gone, now)}`;
}

function countPollers(count: number): string {
  return count === 1 ? "1 poller" : `${count} pollers`;
}

/** A poller that does not know: what it was told, and when it asked. */
export function describeMissing(scope: Scope, poller: Poller, now: number): string {
  const { told, toldAt, asks, askedAt, sent, doubts } = poller;
  const isNew = scope.pollers.standing(poller, now) === "new";
  const who = `${describeAsker(poller)}${isNew ? " (new)" : ""}`;
  const asked = ago(now - askedAt);
  if (poller.isTold(scope.host.replyTo(sent).text)) {
    if (asks < 2) return `${who} has asked only once, ${asked}`;
    return `${who} asked ${asked} and not since, so that others behind this address may not know`;
  }
  const perhaps = listReplies(doubts).join(" or ");
  if (told === undefined) {
    return `${who} asked ${asked}, was sent ${perhaps} and has perhaps never heard it`;
  }
  const since = `was told ${told} ${ago(now - toldAt)}`;
  if (doubts.length > 0) return `${who} ${since}, and has perhaps heard ${perhaps} ${asked}`;
  return `${who} ${since} and has not asked since`;
}

/** What an operator can do about pollers that do not know. */
export function advise(
  { pollers, name }: Scope,
  missing: readonly Poller[],
  absent: readonly Named[],
  now: number,
): string {
  const first = absent.flatMap(({ addresses }) => addresses.slice(0, 1));
  const addresses = [...new Set([...missing.map(({ address }) => address), ...first])];
  const isOne = addresses.length === 1;
  const forget = `hapgent ctl ${name === undefined ? "" : `@${name} `}forget`;
  const silence = now - Math.max(...missing.map(({ askedAt }) => askedAt));
  let command = addresses
    .map((address) => `${forget} ${address}`)
    .slice(0, 3)
    .join("; ");
  if (addresses.length > 3) {
    const areSilent = missing.length > 0 && silence >= SILENT_MS;
    command = areSilent ? `${forget} silent ${Math.floor(silence / 1000)}` : `${command}; ...`;
  }
  if (!missing.some((poller) => pollers.standing(poller, now) === "new")) {
    return `If ${isOne ? "it is" : "they are"} gone: ${command}`;
  }
  const whose = isOne ? "it is no load balancer" : "one is no load balancer, or gone";
  return `If ${whose}: ${command} (for good: HAPGENT_POLLERS names those that are)`;
}

export function describeAsker({ address, sent }: Poller): string {
  return sent === "" ? address : `${address} ${quote(sent)}`;
}

export function list(names: readonly string[], separator = ", "): string {
  const rest = names.length - NAMED_LIMIT;
  const shown = names.slice(0, NAMED_LIMIT).join(separator);
  return rest > 0 ? `${shown} and ${rest} more` : shown;
}

/** Those of some that were forgotten that will ask again, as far as one can tell. */
function describeAsking(gone: readonly Poller[], now: number): string {
  const asking = gone.filter(({ askedAt, interval }) => {
    return now - askedAt < Math.max(SILENT_MS, 3 * interval);
  });
  const [last] = asking.toSorted((one, other) => other.askedAt - one.askedAt);
  if (!last) return "";
  const every = last.interval > 0 ? `, every ${toSeconds(last.interval)} s` : "";
  const subject = gone.length === 1 ? "it" : describeAsker(last);
  const asked = ago(now - last.askedAt);
  return `; ${subject} still asks (${asked}${every}), and counts again when it does`;
}

function listReplies(doubts: readonly Pick<Doubt, "reply">[]): string[] {
  return [...new Set(doubts.flatMap(({ reply }) => reply ?? []))];
}

function ago(milliseconds: number): string {
  const seconds = toSeconds(milliseconds);
  return `${seconds < 10 ? seconds : Math.round(seconds)} s ago`;
}
