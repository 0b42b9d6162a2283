// The commands of the control socket, as data: the agent's functions, help, man page, completions and
// the README's table have their names from here.
import type { Entry } from "./spec.ts";
import { findNearest, quote } from "./text.ts";

/** A command of the control socket; its term is what one types, `wait SECONDS [COUNT]`. */
export interface ControlCommand extends Entry {
  readonly name: string;
  /** Whether it ends with its connection: `ctl`, which closes that, does not send it. */
  readonly staysOpen: boolean;
}

/** The longest `wait`, in seconds. */
export const WAIT_LIMIT = 86_400;

/** How long after a start slow load balancers may not be known yet, in milliseconds. */
export const YOUNG_MS = 60_000;

/**
 * How long (s) a load balancer that asks every so many seconds takes for some checks; for one that
 * shows that its reply was read, as not each does, it may take two.
 */
export function suggestTime(interval: number, checks = 2): number {
  return Math.ceil(interval * (checks + 0.25));
}

/** How much of a line an error shows, in characters. */
const SHOWN = 60;

/** What comes after a name, what the command does, and whether it ends with its connection. */
type Row = readonly [operands: string, meaning: string, staysOpen?: true];

const TABLE = {
  "show state": ["", "state, reply, since when and by what, as JSON"],
  "show services": ["", "all services with state and reply, as JSON"],
  "show pollers": ["", "who asks, when, and what it was told, as JSON"],
  "set status": ["STATUS [REASON]", "set and save the status; weight and maxconn stay"],
  "set weight": ["N", "set and save the weight"],
  "set maxconn": ["N", "set and save the limit of connections"],
  "set state": ["JSON", "set and save the whole state"],
  change: [
    "STATUS [REASON] to STATUS [REASON]",
    "set the second status and reason, but only over the first",
  ],
  follow: ["JSON", "set state, but only over UP, READY or an earlier follow"],
  hold: ["WHO", "keep other deploys out while the connection is open", true],
  reload: ["", "read the state file again, as SIGHUP does"],
  wait: ["SECONDS [COUNT]", "answer once all pollers, COUNT at least, have the reply"],
  forget: ["ADDRESS", "no longer wait for this load balancer"],
  "forget silent": ["SECONDS", "no longer wait for silent ones"],
  help: ["[COMMAND]", "list the commands, or explain one"],
} as const satisfies Readonly<Record<string, Row>>;

/** The name of a control command. */
export type ControlCommandName = keyof typeof TABLE;

/** The commands of the control socket; src/agent/control-commands.ts has a function for each. */
export function listControls(): ControlCommand[] {
  return Object.entries<Row>(TABLE).map(([name, [operands, meaning, staysOpen = false]]) => {
    return { name, term: `${name} ${operands}`.trimEnd(), meaning, staysOpen };
  });
}

/** The control commands of this name, or whose first word it is: `set` is four of them. */
export function findControls(name: string, commands = listControls()): ControlCommand[] {
  return commands.filter((each) => `${each.name} `.startsWith(`${name} `));
}

/** The answer to `help [COMMAND]`; undefined when there is no such command. */
export function explainControls(name: string): string | undefined {
  if (name === "") return `ok ${joinUsages(listControls())}`;
  const texts = findControls(name).map(({ term, meaning }) => `${term}: ${meaning}`);
  return texts.length > 0 ? `ok ${texts.join("; ")}` : undefined;
}

/** The answer to a line that is no control command: the nearest one, and what was expected. */
export function refuseControl(line: string): string {
  const words = line.trim().replace(/^@\S*\s*/, "");
  const [verb = "", noun = ""] = words.split(/\s+/);
  const called = findControls(`${verb} ${noun}`);
  const meant = called.length > 0 ? called : findControls(verb);
  const expected = joinUsages(meant.length > 0 ? meant : listControls());
  const got = quote(line.slice(0, SHOWN));
  const names = listControls().map(({ name }) => name);
  const isKnown = called.length > 0 || meant.some(({ name }) => name === verb);
  const nearest = findNearest(`${verb} ${noun}`, names) ?? findNearest(verb, names);
  if (isKnown || nearest === undefined) return `error: expected ${expected}, got ${got}`;
  return `error: no such command: ${got}; did you mean ${nearest}? Expected ${expected}`;
}

function joinUsages(commands: readonly ControlCommand[]): string {
  return commands.map(({ term }) => term).join(" | ");
}
