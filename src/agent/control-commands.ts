import {
  type ControlCommandName,
  explainControls,
  refuseControl,
  WAIT_LIMIT,
} from "../controls.ts";
import { log } from "../log.ts";
import { parseText } from "../state/read.ts";
import { isReasonShown, type ReplyMode } from "../state/reply.ts";
import {
  isSameState,
  parseField,
  STATUSES,
  type State,
  StateError,
  withStatus,
} from "../state/state.ts";
import { quote } from "../text.ts";
import type { ControlClient } from "./control-client.ts";
import type { Files } from "./files.ts";
import { followState } from "./follow.ts";
import type { Entry, Host } from "./host.ts";
import type { Change, Outcome } from "./keeper.ts";
import { POLLER_LIMIT } from "./poller-memory.ts";
import { forgetAddress, forgetSilent, showPollers } from "./poller-words.ts";
import type { Pollers } from "./pollers.ts";
import { Wait } from "./wait.ts";
import { describeWait } from "./wait-words.ts";

/** How often a wait looks whether it has ended, in milliseconds. */
const LOOK_MS = 100;

/** What the commands work with. */
export interface ControlContext {
  readonly host: Host;
  readonly files: Files;
  readonly pollers: Pollers;
  readonly mode: ReplyMode;
  /** Whether the state files are watched: then a command looks at the file first. */
  readonly watch: boolean;
  readonly now: () => number;
}

/** The words of a command, and what comes after them. */
const TWO_WORDS = /^(\S+\s+\S+)\s*(.*)$/;
const ONE_WORD = /^(\S+)\s*(.*)$/;

/** Who keeps others from a deploy: of the host (undefined) or of a service. */
type Holds = Map<string | undefined, { readonly who: string; readonly at: number }>;

/** A command that was received. */
interface Call extends ControlContext {
  /** What came after the command's name. */
  readonly text: string;
  /** The service that it is for; undefined: the host. */
  readonly name: string | undefined;
  readonly client: ControlClient;
  readonly holds: Holds;
}

/** Runs a command; undefined when it does not take what came after its name. */
type Run = (call: Call) => Promise<string | undefined> | string | undefined;

const COMMANDS: Readonly<Record<ControlCommandName, Run>> = {
  "show state": withoutText(showState),
  "show services": withoutText(showServices),
  "show pollers": withoutText((call) => showPollers(scopeOf(call), call.now())),
  "set status": setStatus,
  "set weight": (call) => setNumber("weight", call),
  "set maxconn": (call) => setNumber("maxconn", call),
  "set state": setState,
  change,
  follow,
  hold,
  reload: withoutText(reload),
  wait,
  forget,
  "forget silent": forgetAllSilent,
  help: ({ text }) => explainControls(text),
};

/** Makes the function that executes lines of the control socket: `[@SERVICE] COMMAND`. */
export function createExecute(context: ControlContext) {
  const holds: Holds = new Map();
  return async (line: string, client: ControlClient): Promise<string> => {
    const [, name, command = ""] = /^\s*(?:@(\S*))?\s*(.*?)\s*$/.exec(line) ?? [];
    if (context.host.find(name) === undefined)
      return `error: no such service: ${quote(name ?? "")}`;
    try {
      for (const pattern of [TWO_WORDS, ONE_WORD]) {
        const [, called = "", text = ""] = pattern.exec(command) ?? [];
        const verb = called.replace(/\s+/, " ");
        if (!isCommand(verb)) continue;
        const answer = await COMMANDS[verb]({ ...context, holds, client, name, text });
        return answer ?? refuseControl(line);
      }
      return refuseControl(line);
    } catch (error) {
      if (error instanceof StateError) return `error: ${error.message}`;
      throw error;
    }
  };
}

function isCommand(verb: string): verb is ControlCommandName {
  return Object.hasOwn(COMMANDS, verb);
}

function withoutText(run: Run): Run {
  return (call) => (call.text === "" ? run(call) : undefined);
}

function scopeOf({ pollers, host, name }: Call) {
  return { pollers, replies: host, name };
}

async function showState(call: Call): Promise<string> {
  const { host, files, watch, name } = call;
  if (watch) await files.look(name);
  const own = name === undefined ? {} : { host: host.own.state };
  return JSON.stringify({ ...describeEntry(call, name), ...own });
}

async function showServices(call: Call): Promise<string> {
  if (call.watch) await call.files.lookAtAll();
  const names = [...call.host.names()].sort();
  return JSON.stringify(names.map((name) => ({ name, ...describeEntry(call, name) })));
}

function describeEntry({ host, now }: Call, name: string | undefined) {
  const entry = host.find(name);
  const { state, by } = entry ?? host.own;
  return { state, reply: host.reply(name).text, since: toDate(entry ?? host.own, now), by };
}

/** When a state was set, in the time of day. */
function toDate({ since }: Entry, now: () => number): string {
  return new Date(Date.now() - (now() - since)).toISOString();
}

async function setStatus(call: Call): Promise<string> {
  const [, word = "", text = ""] = ONE_WORD.exec(call.text) ?? [];
  const reason = parseField("reason", text || null);
  const status = parseField("status", word);
  let old: State | undefined;
  const answer = await set(call, ({ state }) => {
    old = state;
    return withStatus(state, status, reason);
  });
  const notes = call.mode === "exact" ? describeSticking(old, status) : "";
  const isShown = !reason || isReasonShown({ status }, call.mode);
  return isShown ? answer + notes : `${answer} (HAProxy shows no reason with ${status})${notes}`;
}

/** What HAProxy keeps of the status before, where replies are exact. */
function describeSticking(old: State | undefined, status: string): string {
  const was = old?.status ?? "";
  if (status === "UP" && ["DRAIN", "MAINT"].includes(was))
    return ` (HAProxy keeps the ${was} until READY)`;
  if (status === "READY" && ["DOWN", "FAIL", "STOPPED"].includes(was))
    return ` (HAProxy keeps the ${was} until UP)`;
  return "";
}

function setNumber(field: "weight" | "maxconn", call: Call): Promise<string> | undefined {
  if (/\s/.test(call.text)) return undefined;
  const value = parseField(field, toInteger(call.text) ?? call.text);
  return set(call, ({ state }) => ({ ...state, [field]: value }));
}

async function setState(call: Call): Promise<string> {
  const state = await parseText(call.text);
  return await set(call, () => state);
}

/** `change A to B`: a script puts back only what it has set itself. */
async function change(call: Call): Promise<string | undefined> {
  const { text } = call;
  const word = STATUSES.join("|");
  if (!new RegExp(`^(${word})( .*)? to (${word})( .*)?$`).test(text)) return undefined;
  return await set(call, (entry) => {
    const { state } = entry;
    const present = `${state.status} ${state.reason ?? ""}`.trim();
    if (!text.startsWith(`${present} to `)) throw refuse("changed", entry, call);
    const [, next = "", reason = ""] = ONE_WORD.exec(text.slice(`${present} to `.length)) ?? [];
    const status = parseField("status", next);
    return withStatus(state, status, parseField("reason", reason || null));
  });
}

/** `follow JSON`: a script that runs by itself overwrites nothing that a person has set. */
async function follow(call: Call): Promise<string> {
  const wanted = await parseText(call.text);
  return await set(call, (entry) => {
    // The steps of a deploy are a person's, too.
    const held = describeHold(call);
    if (held) throw new StateError([`not followed: ${held}`]);
    const state = followState(entry.state, wanted, call.mode);
    if (state === undefined) throw refuse("followed", entry, call);
    return isSameState(state, entry.state) ? undefined : state;
  });
}

/** The error of a command that gives way to what somebody else has set. */
function refuse(what: string, entry: Entry, { now }: Call): StateError {
  const { status, reason } = entry.state;
  const state = reason ? `${status} ${quote(reason)}` : status;
  const since = toDate(entry, now).slice(11, 19);
  return new StateError([`not ${what}: it is ${state} since ${since} UTC (${entry.by})`]);
}

function hold(call: Call): string | undefined {
  const { text: who, name, client, holds, now } = call;
  if (who === "") return undefined;
  const held = describeHold(call);
  if (held) return `error: ${held}`;
  const problem = client.stay();
  if (problem) return `error: ${problem}`;
  holds.set(name, { who, at: now() });
  void client.gone.then(() => holds.delete(name));
  client.hold();
  return "ok held";
}

/** Who holds the service or the host, and since when; undefined: nobody. */
function describeHold({ name, holds, now }: Call): string | undefined {
  const names = name === undefined ? [...holds.keys()] : [name, undefined];
  const other = names.map((each) => holds.get(each)).find((each) => each !== undefined);
  return other && `held by ${other.who} for ${Math.round((now() - other.at) / 1000)} s`;
}

async function reload(call: Call): Promise<string> {
  const { files, name } = call;
  const own = name === undefined ? undefined : files.find(name);
  return await describe(await (own ? own.read("socket") : files.reload("socket")), call);
}

async function set(call: Call, made: Change): Promise<string> {
  return await describe(await call.files.set(call.name, made, "socket"), call);
}

/** How a change has ended, and what is answered now: that is the host's word, too. */
async function describe({ isGood, text }: Outcome, call: Call): Promise<string> {
  const { host, files, name, watch } = call;
  if (watch && name !== undefined) await files.look(undefined);
  const reply = host.reply(name).text;
  return isGood ? `ok ${text}: ${reply}` : `error: ${text}; the reply is ${reply}`;
}

async function wait(call: Call): Promise<string | undefined> {
  const { files, name, client, now, watch } = call;
  const [seconds = "", count, extra] = call.text.split(/\s+/);
  if (extra !== undefined) return undefined;
  if ((toInteger(seconds) ?? Infinity) > WAIT_LIMIT)
    return `error: wait: expected seconds from 0 to ${WAIT_LIMIT}, got ${quote(seconds)}`;
  if (count !== undefined && (toInteger(count) ?? Infinity) > POLLER_LIMIT)
    return `error: wait: expected a number of pollers from 0 to ${POLLER_LIMIT}, got ${quote(count)}`;
  const problem = client.stay();
  if (problem) return `error: ${problem}`;
  if (watch) await (name === undefined ? files.lookAtAll() : files.look(name));
  const options = { seconds: Number(seconds), count: toInteger(count ?? ""), now: now() };
  const wait = new Wait({ ...scopeOf(call), ...options });
  for (;;) {
    const end = wait.look(now());
    if (end || client.isGone) {
      const answer = end ? describeWait(wait, end, now()) : "nobody waits any more";
      log("wait", { cause: "socket", service: name, answer });
      return answer;
    }
    await Bun.sleep(LOOK_MS);
  }
}

function forget(call: Call): string | undefined {
  const { text: address } = call;
  if (address === "" || /\s/.test(address)) return undefined;
  return logged(call, forgetAddress(scopeOf(call), address, call.now()));
}

function forgetAllSilent(call: Call): string | undefined {
  const seconds = toInteger(call.text);
  if (seconds === undefined) return undefined;
  return logged(call, forgetSilent(scopeOf(call), seconds, call.now()));
}

function logged({ name }: Call, answer: string): string {
  log("forget", { cause: "socket", service: name, answer });
  return answer;
}

/** A text of digits as a number; undefined when it is none, or has too many. */
function toInteger(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
