import { WAIT_LIMIT } from "../spec.ts";
import { parseField, StateError, withStatus } from "../state/state.ts";
import { quote } from "../text.ts";
import type { Execute } from "./control-socket.ts";
import type { Events } from "./events.ts";
import { POLLER_LIMIT, type PollerReport, type Pollers, type WaitResult } from "./pollers.ts";
import type { Outcome, Service } from "./service.ts";
import type { Services } from "./services.ts";

/** How many pollers an answer names. */
const NAMED_LIMIT = 8;

/** What the commands work with. */
export interface ControlContext {
  readonly services: Services;
  readonly events: Events;
  readonly pollers: Pollers;
  /** Whether the state files are watched: then a command looks at the file first. */
  readonly watch: boolean;
}

/** A command that was received. */
interface Call extends ControlContext {
  /** The words after the command's name. */
  readonly words: readonly string[];
  /** The service that it is for; the host without `@name`. */
  readonly service: Service;
  /** Whether somebody still waits for the answer. */
  readonly isWanted: () => boolean;
}

/** Runs a command; undefined when its words are not what it takes. */
type Run = (call: Call) => Promise<string | undefined> | string | undefined;

/** The commands, by name. */
const COMMANDS: ReadonlyMap<string, Run> = new Map<string, Run>([
  ["show state", withoutWords(showState)],
  ["show services", withoutWords(showServices)],
  [
    "show pollers",
    withoutWords(({ pollers, service }) => JSON.stringify(pollers.list(service.name))),
  ],
  ["set status", setStatus],
  ["set weight", (call) => setNumber("weight", call)],
  ["set maxconn", (call) => setNumber("maxconn", call)],
  ["reload", withoutWords(reload)],
  ["wait", wait],
  ["forget", forget],
  ["help", withoutWords(async () => (await import("../spec.ts")).explainControls(""))],
]);

/** Makes the function that executes lines of the control socket: `[@SERVICE] COMMAND`. */
export function createExecute(context: ControlContext): Execute {
  return async (line, isWanted) => {
    const all = line.trim().split(/\s+/);
    const name = all[0]?.startsWith("@") ? all.shift()?.slice(1) : undefined;
    const service = name === undefined ? context.services.host : context.services.get(name);
    if (!service) return `error: no such service: ${quote(name ?? "")}`;
    const [verb = "", noun = "", ...rest] = all;
    const one = COMMANDS.get(verb);
    const run = one ?? COMMANDS.get(`${verb} ${noun}`);
    const words = one ? all.slice(1) : rest;
    try {
      const answer = await run?.({ ...context, words, service, isWanted });
      return answer ?? (await import("../spec.ts")).refuseControl(line);
    } catch (error) {
      if (error instanceof StateError) return `error: ${error.message}`;
      throw error;
    }
  };
}

function withoutWords(run: Run): Run {
  return (call) => (call.words.length === 0 ? run(call) : undefined);
}

/** Looks at watched files before a command, so that no edit is overlooked. */
async function look(call: Call, services: readonly Service[]): Promise<void> {
  if (call.watch) await call.events.request(() => reread(call, services));
}

/** Reads files that have changed; the host's too, which comes before the services in the reply. */
async function reread({ services: { host } }: Call, services: readonly Service[]): Promise<void> {
  for (const service of new Set([host, ...services])) await service.reread();
}

async function showState(call: Call): Promise<string> {
  const { service } = call;
  await look(call, [service]);
  return JSON.stringify({ state: service.state, reply: service.reply.text });
}

async function showServices(call: Call): Promise<string> {
  await look(call, call.services.all);
  const { named } = call.services;
  const shown = named.map(({ name = "", state, reply }) => ({ name, state, reply: reply.text }));
  return JSON.stringify(shown.toSorted((one, other) => (one.name < other.name ? -1 : 1)));
}

async function setStatus(call: Call): Promise<string> {
  const [status = "", ...words] = call.words;
  const reason = parseField("reason", words.join(" ") || null);
  const change = withStatus(parseField("status", status), reason ?? undefined);
  const answer = await set(call, change);
  const isShown = !reason || call.service.reply.text.includes("#");
  return isShown ? answer : `${answer} (HAProxy shows no reason with ${status})`;
}

function setNumber(field: "weight" | "maxconn", call: Call): Promise<string> | undefined {
  const [text = "", extra] = call.words;
  if (extra !== undefined) return undefined;
  const value = parseField(field, /^\d+$/.test(text) ? Number(text) : text);
  return set(call, (state) => ({ ...state, [field]: value }));
}

async function set(call: Call, change: Parameters<Service["set"]>[0]): Promise<string> {
  const { service, events, watch } = call;
  const outcome = await events.request(async () => {
    // No edit is overwritten unseen.
    if (watch) await reread(call, [service]);
    return await service.set(change, "socket");
  });
  return describe(outcome, service);
}

async function reload({ service, services, events }: Call): Promise<string> {
  const target = service === services.host ? services : service;
  return describe(await events.request(() => target.reload("socket")), service);
}

function describe({ isGood, text }: Outcome, { reply }: Service): string {
  return isGood ? `ok ${text}: ${reply.text}` : `error: ${text}; the reply is ${reply.text}`;
}

async function wait(call: Call): Promise<string | undefined> {
  const [seconds = "", count, extra] = call.words;
  if (extra !== undefined) return undefined;
  if (!isInteger(seconds, 0, WAIT_LIMIT)) {
    return `error: wait: expected seconds from 0 to ${WAIT_LIMIT}, got ${quote(seconds)}`;
  }
  if (count !== undefined && !isInteger(count, 1, POLLER_LIMIT)) {
    const got = quote(count);
    return `error: wait: expected a number of pollers from 1 to ${POLLER_LIMIT}, got ${got}`;
  }
  const { services, service } = call;
  await look(call, service === services.host ? services.all : [service]);
  const result = await call.pollers.wait({
    // The host's pollers are those of all services.
    name: service.name,
    seconds: Number(seconds),
    count: count === undefined ? undefined : Number(count),
    isWanted: call.isWanted,
  });
  return describeWait(result, call.service.reply.text);
}

function isInteger(text: string, minimum: number, maximum: number): boolean {
  return /^\d{1,9}$/.test(text) && Number(text) >= minimum && Number(text) <= maximum;
}

function describeWait({ problem, pollers, seconds }: WaitResult, reply: string): string {
  const missing = pollers.filter(({ isServed }) => !isServed);
  if (problem !== undefined) {
    const names = list(missing.map(describeMissing));
    return `error: after ${seconds} s: ${problem}${names && `: ${names}`}`;
  }
  const howMany = pollers.length === 1 ? "1 poller" : `all of ${pollers.length} pollers`;
  const names = list(pollers.map(describeAsker));
  return `ok served to ${howMany} after ${seconds} s: ${reply}; ${names}`;
}

function describeAsker({ address, sent }: PollerReport): string {
  return sent === "" ? address : `${address} ${quote(sent)}`;
}

function describeMissing(poller: PollerReport): string {
  const told = poller.reply === null ? "perhaps never told" : `told ${poller.reply}`;
  return `${describeAsker(poller)} (${told}, asked ${poller.age} s ago)`;
}

function list(names: readonly string[]): string {
  const rest = names.length - NAMED_LIMIT;
  return names.slice(0, NAMED_LIMIT).join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}

function forget({ words, pollers }: Call): string | undefined {
  const [address, extra] = words;
  if (address === undefined || extra !== undefined) return undefined;
  const count = pollers.forget(address);
  if (count === 0) return `error: no poller has the address ${quote(address)}`;
  return `ok forgotten: ${count === 1 ? "1 poller" : `${count} pollers`} of ${address}`;
}
