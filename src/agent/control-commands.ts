import {
  type ControlCommandName,
  explainControls,
  refuseControl,
  WAIT_LIMIT,
} from "../controls.ts";
import { log } from "../log.ts";
import { Queue } from "../state/queue.ts";
import { isReasonShown } from "../state/reply.ts";
import { parseField, parseState, type State, StateError, withStatus } from "../state/state.ts";
import { quote } from "../text.ts";
import {
  type Call,
  type ControlContext,
  describe,
  type Holds,
  ONE_WORD,
  type Run,
  set,
  TWO_WORDS,
  toDate,
  toInteger,
} from "./control-call.ts";
import type { ControlClient } from "./control-client.ts";
import { change, follow, hold } from "./control-scripts.ts";
import { POLLER_LIMIT } from "./poller-memory.ts";
import { forgetAddress, forgetSilent, showPollers } from "./poller-words.ts";
import { Wait } from "./wait.ts";
import { describeWait } from "./wait-words.ts";

/** Waits that come together begin one after another. */
const firstLooks = new Queue();

const COMMANDS: Readonly<Record<ControlCommandName, Run>> = {
  "show state": withoutText(showState),
  "show services": withoutText(showServices),
  "show pollers": withoutText((call) => showPollers(call, call.now())),
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

async function showState(call: Call): Promise<string> {
  const { host, files, name } = call;
  await files.look(name);
  const own = name === undefined ? {} : { host: host.own.state };
  return JSON.stringify({ ...describeEntry(call, name), ...own });
}

async function showServices(call: Call): Promise<string> {
  await call.files.lookAtAll();
  const names = [...call.host.names()].sort();
  return JSON.stringify(names.map((name) => ({ name, ...describeEntry(call, name) })));
}

function describeEntry({ host, now }: Call, name: string | undefined) {
  const entry = host.find(name) ?? host.own;
  const { state, by } = entry;
  return { state, reply: host.reply(name).text, since: toDate(entry, now), by };
}

async function setStatus(call: Call): Promise<string> {
  const [, word = "", text = ""] = ONE_WORD.exec(call.text) ?? [];
  const reason = parseField("reason", text || null);
  const status = parseField("status", word);
  const answer = await setNoted(call, (old) => withStatus(old, status, reason));
  const isShown = !reason || isReasonShown({ status }, call.host.mode);
  return isShown ? answer : `${answer} (HAProxy shows no reason with ${status})`;
}

/** Makes a change, and tells what HAProxy keeps of what it was told before, where replies are exact. */
async function setNoted(call: Call, made: (old: State) => State): Promise<string> {
  let note = "";
  const answer = await set(call, ({ state, health, admin }) => {
    const next = made(state);
    const { status } = next;
    if (status === "UP" && admin !== "READY") note = ` (HAProxy keeps the ${admin} until READY)`;
    if (status === "READY" && health !== "UP") note = ` (HAProxy keeps the ${health} until UP)`;
    return next;
  });
  return call.host.mode === "exact" ? answer + note : answer;
}

function setNumber(field: "weight" | "maxconn", call: Call): Promise<string> | undefined {
  if (/\s/.test(call.text)) return undefined;
  const value = parseField(field, toInteger(call.text) ?? call.text);
  return set(call, ({ state }) => ({ ...state, [field]: value }));
}

async function setState(call: Call): Promise<string> {
  const state = await parseState(call.text);
  return await setNoted(call, () => state);
}

async function reload(call: Call): Promise<string> {
  const { files, name } = call;
  const own = name === undefined ? undefined : files.find(name);
  return await describe(await (own ? own.read("socket") : files.reload("socket")), call);
}

async function wait(call: Call): Promise<string | undefined> {
  const { host, files, pollers, name, client, now } = call;
  const [seconds = "", count, extra] = call.text.split(/\s+/);
  if (extra !== undefined) return undefined;
  if ((toInteger(seconds) ?? Infinity) > WAIT_LIMIT)
    return `error: wait: expected seconds from 0 to ${WAIT_LIMIT}, got ${quote(seconds)}`;
  if (count !== undefined && (toInteger(count) ?? Infinity) > POLLER_LIMIT)
    return `error: wait: expected a number of pollers from 0 to ${POLLER_LIMIT}, got ${quote(count)}`;
  client.stay();
  await (name === undefined ? files.lookAtAll() : files.look(name));
  const question = { host, pollers, name, count: toInteger(count ?? "") };
  const wait = new Wait({ ...question, seconds: Number(seconds), now: now() });
  // The first look is at all pollers: those of waits that come together must not hold up a check.
  await firstLooks.run(() => Bun.sleep(1));
  const end = await wait.run(now, () => client.isGone);
  const answer = end ? describeWait(wait, end, now()) : "nobody waits any more";
  log("wait", { cause: "socket", service: name, answer });
  return answer;
}

function forget(call: Call): string | undefined {
  const { text: address } = call;
  if (address === "" || /\s/.test(address)) return undefined;
  return logged(call, forgetAddress(call, address, call.now()));
}

function forgetAllSilent(call: Call): string | undefined {
  const seconds = toInteger(call.text);
  if (seconds === undefined) return undefined;
  return logged(call, forgetSilent(call, seconds, call.now()));
}

function logged({ name }: Call, answer: string): string {
  log("forget", { cause: "socket", service: name, answer });
  return answer;
}
