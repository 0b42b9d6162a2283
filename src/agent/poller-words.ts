import { type Named, normalizeIp } from "../named-pollers.ts";
import { nameIn } from "../sent.ts";
import { quote } from "../text.ts";
import type { Poller } from "./poller.ts";
import { isBalancer, toSeconds } from "./pollers.ts";
import type { Scope } from "./survey.ts";

/** How many pollers a line names. */
const NAMED_LIMIT = 8;

/** Who is silent for this time (ms), and three of its intervals, does not ask any more. */
const SILENT_MS = 10_000;

/** `show pollers`: who asks, who of them counts and why, and what each was told, as JSON. */
export function showPollers(scope: Scope, now: number, clock: number = Date.now()): string {
  const { pollers, replies, name } = scope;
  pollers.sweep(now);
  const toDate = (at: number) => new Date(clock - (now - at)).toISOString();
  const shown = [...pollers.memory]
    .filter(({ sent }) => name === undefined || nameIn(sent) === name)
    .toSorted((one, other) => one.askedAt - other.askedAt)
    .map((poller) => {
      const { address, sent, told, doubts } = poller;
      const isCertain = told !== undefined && poller.isTold(told);
      const why = pollers.standing(poller, now);
      return {
        address,
        sent,
        age: Math.round(now - poller.askedAt) / 1000,
        since: toDate(poller.since),
        interval: poller.interval === 0 ? null : Math.round(poller.interval) / 1000,
        reply: isCertain ? told : null,
        ...(!isCertain && { perhaps: listReplies([told, ...doubts.map(({ reply }) => reply)]) }),
        isServed: poller.isTold(replies.replyTo(sent).text),
        counts: why !== "stranger",
        why,
      };
    });
  const absent = (pollers.options.named?.balancers ?? [])
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
  const found = pollers.options.named?.find(ip);
  const named = isBalancer(found) ? [found] : [];
  const lines = named[0] ? pollers.of(named[0]) : pollers.memory.at(ip);
  const gone = lines.filter(({ sent }) => name === undefined || nameIn(sent) === name);
  if (gone.length === 0 && named.every((each) => pollers.isExcused(each, name))) {
    const of = name === undefined ? "" : ` of ${quote(name)}`;
    return `error: no poller${of} has the address ${quote(address)}`;
  }
  pollers.forget(gone, named, name);
  if (gone.length === 0) return `ok forgotten: ${address}, which has never asked`;
  const howMany = gone.length === 1 ? "1 poller" : `${gone.length} pollers`;
  return `ok forgotten: ${howMany} of ${address}${describeAsking(gone, now)}`;
}

/** `forget silent SECONDS`: what has become of it. */
export function forgetSilent(scope: Scope, seconds: number, now: number): string {
  const { pollers, name } = scope;
  const { named, now: start } = pollers.options;
  const limit = seconds * 1000;
  const gone = [...pollers.memory].filter(
    ({ askedAt, sent }) => now - askedAt >= limit && (name === undefined || nameIn(sent) === name),
  );
  const never = (named?.balancers ?? []).filter(
    (each) =>
      now - start >= limit && pollers.of(each).length === 0 && !pollers.isExcused(each, name),
  );
  pollers.forget(gone, never, name);
  const silenced = new Set(gone.flatMap((each) => (isBalancer(each.named) ? [each.named] : [])));
  pollers.forget(
    [],
    [...silenced].filter((each) => pollers.of(each).length === 0),
    name,
  );
  const names = [...gone.map(describeAsker), ...never.map(({ text }) => text)];
  const howMany = names.length === 1 ? "1 poller" : `${names.length} pollers`;
  const who = names.length > 0 ? `: ${list(names)}` : "";
  return `ok forgotten: ${howMany} silent for ${seconds} s${who}${describeAsking(gone, now)}`;
}

/** A poller that does not know: what it was told, and when it asked. */
export function describeMissing(scope: Scope, poller: Poller, now: number): string {
  const isNew = scope.pollers.standing(poller, now) === "new";
  const who = `${describeAsker(poller)}${isNew ? " (new)" : ""}`;
  const asked = ago(now - poller.askedAt);
  const { told, doubts } = poller;
  const present = scope.replies.replyTo(poller.sent).text;
  if (poller.isTold(present)) {
    if (poller.asks < 2) return `${who} has asked only once, ${asked}`;
    return `${who} asked ${asked} and not since, so that others behind this address may not know`;
  }
  const perhaps = listReplies(doubts.map(({ reply }) => reply)).join(" or ");
  if (told === undefined) {
    return `${who} asked ${asked}, was sent ${perhaps} and has perhaps never heard it`;
  }
  const since = `was told ${told} ${ago(now - poller.toldAt)}`;
  const hint = poller.sent === "" ? " (without an `agent-send` many checks do not tell)" : "";
  if (doubts.length > 0) return `${who} ${since}, and has perhaps heard ${perhaps} ${asked}${hint}`;
  return `${who} ${since} and has not asked since`;
}

/** What an operator can do about pollers that do not know. */
export function advise(
  { pollers, name }: Scope,
  missing: readonly Poller[],
  absent: readonly Named[],
  now: number,
): string {
  const addresses = new Set([
    ...missing.map(({ address }) => address),
    ...absent.flatMap(({ addresses: [first] }) => first ?? []),
  ]);
  const isOne = addresses.size === 1;
  const forget = `hapgent ctl ${name === undefined ? "" : `@${name} `}forget`;
  const silence = Math.min(...missing.map(({ askedAt }) => now - askedAt));
  const areMany = addresses.size > 3;
  const commands = [...addresses].slice(0, 3).map((address) => `${forget} ${address}`);
  const areSilent = silence >= SILENT_MS && Number.isFinite(silence);
  const command =
    areMany && areSilent
      ? `${forget} silent ${Math.floor(silence / 1000)}`
      : commands.join("; ") + (areMany ? "; ..." : "");
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

function listReplies(replies: readonly (string | undefined)[]): string[] {
  return [...new Set(replies.filter((reply) => reply !== undefined))];
}

function ago(milliseconds: number): string {
  const seconds = toSeconds(milliseconds);
  return `${seconds < 10 ? seconds : Math.round(seconds)} s ago`;
}
