// What the program understands, as data. Help, argument parsing, man page, completions and the
// tables of the README come from here.
import { STATUSES } from "./state/state.ts";

/** A term and what it means. */
export interface Entry {
  readonly term: string;
  readonly meaning: string;
}

/** An option of a command; its term is what one types, `--wait S`. */
export interface Option extends Entry {
  readonly name: string;
  /** The name of its value; an option without one takes none. */
  readonly value?: string | undefined;
  /** What the value may be, or be made of, for completions. */
  readonly words?: readonly string[] | undefined;
}

/** A command of the command line. */
export interface Command {
  readonly name: string;
  /** What comes after the name and the options. */
  readonly operands?: string;
  readonly options?: readonly Option[];
  /**
   * What its operands end in: then all from the first one on is an operand, after an `@SERVICE` of
   * its own. Only a program has options of its own.
   */
  readonly endsIn?: "control command" | "program";
  readonly meaning: string;
}

/** What an option means, and what its value may be, or be made of. */
type Row = string | readonly [meaning: string, words: readonly string[]];

const INSTANCE = { "--instance NAME": "use the installed agent hapgent@NAME" };
const JSON_OUTPUT = { "--json": "print JSON in place of text" };

const TABLE = [
  {
    name: "check",
    operands: "[FILE...]",
    options: toOptions({
      "--config": "check the settings as a start would, and no file",
      ...INSTANCE,
      ...JSON_OUTPUT,
    }),
    meaning: "print the replies that state files give, and warnings; - is stdin",
  },
  {
    name: "status",
    operands: "[HOST[:PORT]]",
    options: toOptions({
      "--send NAME": "ask for the service of this name",
      "--expect LIST": ["be a monitor's probe: exit 2 unless the status is in LIST", STATUSES],
      "--timeout S": "give up a check after S seconds (2)",
      "--wait S": "try again for S seconds (0)",
      ...INSTANCE,
      ...JSON_OUTPUT,
    }),
    meaning: "ask an agent as HAProxy does, by default on HAPGENT_PORT; print its reply",
  },
  {
    name: "ctl",
    operands: "[@SERVICE] COMMAND...",
    options: toOptions({ ...INSTANCE, ...JSON_OUTPUT }),
    endsIn: "control command",
    meaning: "send a command to the control socket",
  },
  {
    name: "deploy",
    operands: "[@SERVICE] REASON COMMAND [ARGUMENT...]",
    options: toOptions({
      "--url URL": "put it back only once this URL answers",
      "--until COMMAND": "put it back only once this shell command succeeds",
      "--answer S": "seconds that the service has to answer (60)",
      "--settle S": "seconds to stay out after that: rise times inter (5)",
      "--status STATUS": ["DRAIN, or MAINT where sessions stick (DRAIN)", ["DRAIN", "MAINT"]],
      "--drain S": "let requests under way end, for up to S seconds",
      "--port PORT": "the port of the service, for --drain",
      "--wait S": "seconds that every load balancer has to ask (30)",
      "--pollers N": "there are at least N load balancers, 0: maybe none",
      "--forget-silent S": "load balancers silent for S seconds are gone",
      "--from-any": "begin from any status, not only UP and READY",
      "--up": "end at UP, whatever it began from",
      "--young": "believe an agent that has just started",
      ...INSTANCE,
    }),
    endsIn: "program",
    meaning: "take the service out of rotation, run a command, put it back",
  },
  { name: "help", operands: "[COMMAND]", meaning: "print the help, or the part about one command" },
] as const satisfies readonly Command[];

/** The name of a command. */
export type CommandName = (typeof TABLE)[number]["name"];

/** The commands of the command line. */
export const COMMANDS: readonly (Command & { readonly name: CommandName })[] = TABLE;

export const STATE_FIELDS: readonly Entry[] = toEntries({
  status: `${STATUSES.slice(0, -1).join(", ")} or ${STATUSES.at(-1)}; required`,
  weight: "0 to 255, percent of the weight configured in HAProxy",
  maxconn: "0 to 65535 connections; 0 is no limit",
  reason: "at most 100 printable ASCII characters, shown by HAProxy",
});

export const SIGNALS: readonly Entry[] = toEntries({
  SIGHUP: "read the state file again; if it is invalid: FAIL",
  "SIGUSR1, SIGUSR2": "set the status to UP, to DOWN, and save it to the file",
  "SIGTERM, SIGINT": "stop; a second one stops at once",
});

export const EXIT_CODES: readonly Entry[] = toEntries({
  0: "stopped by a signal; valid; a well-formed reply; ok",
  1: "cannot listen; invalid; no well-formed reply; an error",
  2: "a wrong argument or variable; with --expect, another status or none",
  3: "a deploy that was refused; with --expect, a wrong argument or variable",
});

/** The ways to call the program, and what each does. */
export function listUsages(): Entry[] {
  return [
    { term: "hapgent", meaning: "run the agent" },
    ...COMMANDS.map((command) => ({ term: formatUsage(command), meaning: command.meaning })),
    { term: "hapgent --help | --version", meaning: "print this help, or the version" },
  ];
}

/** A command as one types it: `hapgent check [--json] [FILE]`. */
export function formatUsage({ name, operands, options = [] }: Command): string {
  const flags = options.length > 2 ? ["[OPTION...]"] : options.map(({ term }) => `[${term}]`);
  return ["hapgent", name, ...flags, operands].filter(Boolean).join(" ");
}

/** The options of these commands, each once; one that means several things says to which command. */
export function listOptions(commands: readonly Command[]): Entry[] {
  const all = commands.flatMap(({ name, options = [] }) =>
    options.map(({ term, meaning }) => ({ name, term, meaning })),
  );
  return all.flatMap(({ name, term, meaning }, i) => {
    const alike = all.filter((other) => other.term === term);
    if (alike.every((other) => other.meaning === meaning)) {
      return all.findIndex((other) => other.term === term) === i ? [{ term, meaning }] : [];
    }
    return [{ term, meaning: `${name}: ${meaning}` }];
  });
}

/** Meanings by their terms, as entries of a list. */
export function toEntries(meanings: Readonly<Record<string, string>>): Entry[] {
  return Object.entries(meanings).map(([term, meaning]) => ({ term, meaning }));
}

function toOptions(rows: Readonly<Record<string, Row>>): Option[] {
  return Object.entries(rows).map(([term, row]) => {
    const [name = "", value] = term.slice(2).split(" ");
    const [meaning, words] = typeof row === "string" ? [row] : row;
    return { name, value, term, meaning, words };
  });
}
