// The commands of the control socket, as data: the agent's functions, help, man page, completions and
// the README's table have their names from here.
import type { Entry } from "./spec.ts";
import { findNearest, quote } from "./text.ts";

/** A command of the control socket. */
export interface ControlCommand {
  readonly name: string;
  /** What comes after the name; empty: nothing. */
  readonly operands: string;
  readonly meaning: string;
  /** Whether it ends with its connection: `ctl`, which closes that, does not send it. */
  readonly staysOpen?: true;
}

/** The longest `wait`, in seconds. */
export const WAIT_LIMIT = 86_400;

/** How long after a start slow load balancers may not be known yet, in milliseconds. */
export const YOUNG_MS = 60_000;

/** How much of a line an error shows, in characters. */
const SHOWN = 60;

const TABLE = [
  { name: "show state", operands: "", meaning: "state, reply, since when and by what, as JSON" },
  { name: "show services", operands: "", meaning: "all services with state and reply, as JSON" },
  { name: "show pollers", operands: "", meaning: "who asks, when, and what it was told, as JSON" },
  {
    name: "set status",
    operands: "STATUS [REASON]",
    meaning: "set and save the status; weight and maxconn stay",
  },
  { name: "set weight", operands: "N", meaning: "set and save the weight" },
  { name: "set maxconn", operands: "N", meaning: "set and save the limit of connections" },
  { name: "set state", operands: "JSON", meaning: "set and save the whole state" },
  {
    name: "change",
    operands: "STATUS [REASON] to STATUS [REASON]",
    meaning: "set the second status and reason, but only over the first",
  },
  {
    name: "follow",
    operands: "JSON",
    meaning: "set state, but only over UP, READY or an earlier follow",
  },
  {
    name: "hold",
    operands: "WHO",
    meaning: "keep other deploys out while the connection is open",
    staysOpen: true,
  },
  { name: "reload", operands: "", meaning: "read the state file again, as SIGHUP does" },
  { name: "wait", operands: "SECONDS [COUNT]", meaning: "answer once every poller has the reply" },
  { name: "forget", operands: "ADDRESS", meaning: "no longer wait for this load balancer" },
  { name: "forget silent", operands: "SECONDS", meaning: "no longer wait for silent ones" },
  { name: "help", operands: "[COMMAND]", meaning: "list the commands, or explain one" },
] as const satisfies readonly ControlCommand[];

/** The name of a control command. */
export type ControlCommandName = (typeof TABLE)[number]["name"];

/** The commands of the control socket; src/agent/control-commands.ts has a function for each. */
export const CONTROL_COMMANDS: readonly ControlCommand[] = TABLE;

/** Those that `hapgent ctl` sends. */
export const CTL_COMMANDS = CONTROL_COMMANDS.filter(({ staysOpen }) => !staysOpen);

/** The control commands as entries of a list: `wait SECONDS [COUNT]` and what it does. */
export function listControls(commands = CONTROL_COMMANDS): Entry[] {
  return commands.map(({ name, operands, meaning }) => {
    return { term: `${name} ${operands}`.trimEnd(), meaning };
  });
}

/** The control commands of this name, or whose first word it is: `set` is four of them. */
export function findControls(name: string, commands = CONTROL_COMMANDS): ControlCommand[] {
  return commands.filter((each) => `${each.name} `.startsWith(`${name} `));
}

/** The answer to `help [COMMAND]`; undefined when there is no such command. */
export function explainControls(name: string): string | undefined {
  if (name === "") return `ok ${joinUsages(CONTROL_COMMANDS)}`;
  const texts = listControls(findControls(name)).map(({ term, meaning }) => `${term}: ${meaning}`);
  return texts.length > 0 ? `ok ${texts.join("; ")}` : undefined;
}

/** The answer to a line that is no control command: the nearest one, and what was expected. */
export function refuseControl(line: string): string {
  const words = line.trim().replace(/^@\S*\s*/, "");
  const [verb = "", noun = ""] = words.split(/\s+/);
  const called = findControls(`${verb} ${noun}`);
  const meant = called.length > 0 ? called : findControls(verb);
  const expected = joinUsages(meant.length > 0 ? meant : CONTROL_COMMANDS);
  const got = quote(line.slice(0, SHOWN));
  const names = CONTROL_COMMANDS.map(({ name }) => name);
  const isKnown = called.length > 0 || meant.some(({ name }) => name === verb);
  const nearest = findNearest(`${verb} ${noun}`, names) ?? findNearest(verb, names);
  if (isKnown || nearest === undefined) return `error: expected ${expected}, got ${got}`;
  return `error: no such command: ${got}; did you mean ${nearest}? Expected ${expected}`;
}

function joinUsages(commands: readonly ControlCommand[]): string {
  const usages = listControls(commands).map(({ term }) => term);
  return usages.join(" | ");
}
