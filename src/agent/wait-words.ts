import { suggestTime, YOUNG_MS } from "../controls.ts";
import { quote } from "../text.ts";
import { KNOWN_AFTER } from "./poller.ts";
import { POLLER_LIMIT } from "./poller-memory.ts";
import { advise, describeAsker, describeMissing, list } from "./poller-words.ts";
import { toSeconds } from "./pollers.ts";
import { ALIKE_MS } from "./rhythm.ts";
import { LEARNING_MS } from "./survey.ts";
import type { StatusChange, Wait, WaitEnd } from "./wait.ts";

/** The line that answers a wait which has ended. */
export function describeWait(wait: Wait, end: WaitEnd, now: number): string {
  const { problem, seconds } = end;
  const strangers = describeStrangers(wait, now);
  if (problem !== undefined) {
    return `error: after ${seconds} s: ${describeProblem(wait, end, now)}${strangers}`;
  }
  const notes = strangers + describeYouth(wait, now);
  const { host, name } = wait.options;
  const reply = host.reply(name).text;
  const { counted } = end.survey;
  if (counted.length === 0) {
    return `ok after ${seconds} s: ${reply}; no load balancer has asked${notes}`;
  }
  const howMany = counted.length === 1 ? "1 poller" : `all of ${counted.length} pollers`;
  const names = list(counted.map(describeAsker));
  return `ok served to ${howMany} after ${seconds} s: ${reply}; ${names}${notes}`;
}

function describeProblem(wait: Wait, end: WaitEnd, now: number): string {
  const { problem, survey } = end;
  const { count, host, name, pollers } = wait.options;
  const { now: start } = pollers.options;
  const { counted, recent, resumed, slowest } = survey;
  if (typeof problem === "object") return describeChange(problem);
  switch (problem) {
    case "stopping":
      return `the agent stops, and answers ${host.reply(name).text} until it is gone`;
    case "full":
      return `more than ${POLLER_LIMIT} pollers: not all of them are known (HAPGENT_POLLERS says who counts)`;
    case "missing":
      return describeUntold(wait, end, now);
    case "few":
      return `only ${counted.length} of ${count} pollers asked`;
    case "learning": {
      const [past, needed] = [toSeconds(now - start), toSeconds(LEARNING_MS)];
      return `the agent has listened for ${past} s only, and knows its pollers after ${needed} s`;
    }
    case "recent": {
      const names = list(recent.map(describeAsker));
      const age = `the agent started ${toSeconds(now - start)} s ago`;
      const hint = "`wait SECONDS COUNT` says how many there are";
      return `${age}, and does not know yet whether these are load balancers: ${names}; ${hint}`;
    }
    case "unsettled": {
      if (resumed.length > 0) {
        const who = list(resumed.map(describeAsker));
        const passed = `less than ${toSeconds(ALIKE_MS)} s have passed since ${who} asked again`;
        return `${passed} after a silence: others behind this address may not know`;
      }
      const interval = `${toSeconds(Math.max(ALIKE_MS, slowest?.interval ?? 0))} s`;
      const passed = `less than one check interval (${interval}) has passed since the change`;
      return `${passed}${describeSlowest(wait, end)}`;
    }
    default:
      return "no load balancer has asked; with `wait SECONDS 0` that is no error";
  }
}

function describeUntold(wait: Wait, end: WaitEnd, now: number): string {
  const { counted, missing, absent } = end.survey;
  const { name } = wait.options;
  const untold = missing.length + absent.length;
  const all = counted.length + absent.length;
  const of = `${untold} of ${all} load balancer${all === 1 ? "" : "s"}`;
  const never = absent.map((each) => {
    if (wait.options.pollers.of(each).length === 0) return `${each.text} has never asked`;
    if (name === undefined) return `${each.text} has asked for no service yet`;
    return `${each.text} may ask for ${quote(name)} yet`;
  });
  const each = [...missing.map((poller) => describeMissing(wait.options, poller, now)), ...never];
  const advice = advise(wait.options, missing, absent, now);
  const who = list(each, "; ");
  const verb = untold === 1 ? "does" : "do";
  return `${of} ${verb} not know: ${who}${describeSlowest(wait, end)}. ${advice}`;
}

/** A longer time, where one that counts asks too slowly for this wait. */
function describeSlowest(wait: Wait, { survey: { slowest } }: WaitEnd): string {
  const interval = (slowest?.interval ?? 0) / 1000;
  const seconds = suggestTime(interval);
  if (!slowest || interval <= ALIKE_MS / 1000 || seconds <= wait.options.seconds) return "";
  const every = Math.round(interval);
  return `; ${describeAsker(slowest)} asks every ${every} s: use \`wait ${seconds}\``;
}

function describeChange({ name, before, now }: StatusChange): string {
  if (!now) return `${quote(name ?? "")} is no service any more`;
  const whose = name === undefined ? "the host's status" : `the status of ${quote(name)}`;
  return `${whose} is not ${before} any more: it is ${now.state.status} (${now.by})`;
}

/** Who asks like a load balancer and does not count: perhaps an address was mistyped. */
function describeStrangers({ options: { pollers } }: Wait, now: number): string {
  const strangers = [...pollers.memory].filter(
    ({ named, serves, askedAt, interval }) =>
      !named && serves >= KNOWN_AFTER && now - askedAt < Math.max(LEARNING_MS, 3 * interval),
  );
  const each = strangers.map(
    (poller) => `${describeAsker(poller)}, asks every ${toSeconds(poller.interval)} s`,
  );
  return each.length > 0 ? `; not counted: ${list(each, "; ")}` : "";
}

/** What even an ok cannot say so soon after a start: lines may be slow, or were silent since. */
function describeYouth({ options: { pollers } }: Wait, now: number): string {
  const age = now - pollers.options.now;
  if (pollers.named.networks.length === 0 || age >= YOUNG_MS) return "";
  const seconds = Math.round(age / 1000);
  return `; the agent started ${seconds} s ago: lines slower than 10 s may not be known yet`;
}
