// What the program understands, as data. Help, argument parsing, man page, completions and the
// tables of the README come from here.
import { STATUSES } from "./state/state.ts";

/** An option of a command. */
export interface Option {
  readonly name: string;
  /** The name of its value; an option without one takes none. */
  readonly value?: string;
  /** What the value may be, or be made of, for completions. */
  readonly words?: readonly string[];
  readonly meaning: string;
}

/** A command of the command line. */
export interface Command {
  readonly name: string;
  /** What comes after the name and the options. */
  readonly operands?: string;
  readonly options?: readonly Option[];
  /** Whether everything from the first operand on is an operand, after an `@SERVICE` of its own. */
  readonly isVerbatim?: true;
  /** Whether its operands end in a command line of another program, which has its own options. */
  readonly runsCommand?: true;
  readonly meaning: string;
}

/** A term and what it means. */
export interface Entry {
  readonly term: string;
  readonly meaning: string;
}

const JSON_OPTION: Option = { name: "json", meaning: "print JSON in place of text" };

const INSTANCE_OPTION: Option = {
  name: "instance",
  value: "NAME",
  meaning: "use the installed agent hapgent@NAME",
};

const TABLE = [
  {
    name: "check",
    operands: "[FILE...]",
    options: [
      { name: "config", meaning: "check the settings as a start would, and no file" },
      INSTANCE_OPTION,
      JSON_OPTION,
    ],
    meaning: "print the replies that state files give, and warnings; - is stdin",
  },
  {
    name: "status",
    operands: "[HOST[:PORT]]",
    options: [
      { name: "send", value: "NAME", meaning: "ask for the service of this name" },
      {
        name: "expect",
        value: "LIST",
        words: STATUSES,
        meaning: "be a monitor's probe: exit 2 unless the status is in LIST",
      },
      { name: "timeout", value: "S", meaning: "give up a check after S seconds (2)" },
      { name: "wait", value: "S", meaning: "try again for S seconds (0)" },
      INSTANCE_OPTION,
      JSON_OPTION,
    ],
    meaning: "ask an agent as HAProxy does, by default on HAPGENT_PORT; print its reply",
  },
  {
    name: "ctl",
    operands: "[@SERVICE] COMMAND...",
    options: [INSTANCE_OPTION, JSON_OPTION],
    isVerbatim: true,
    meaning: "send a command to the control socket",
  },
  {
    name: "deploy",
    operands: "[@SERVICE] REASON COMMAND [ARGUMENT...]",
    options: [
      { name: "url", value: "URL", meaning: "put it back only once this URL answers" },
      {
        name: "until",
        value: "COMMAND",
        meaning: "put it back only once this shell command succeeds",
      },
      { name: "answer", value: "S", meaning: "seconds that the service has to answer (60)" },
      {
        name: "settle",
        value: "S",
        meaning: "seconds to stay out after that: rise times inter (5)",
      },
      {
        name: "status",
        value: "STATUS",
        words: ["DRAIN", "MAINT"],
        meaning: "DRAIN, or MAINT where sessions stick (DRAIN)",
      },
      { name: "drain", value: "S", meaning: "let requests under way end, for up to S seconds" },
      { name: "port", value: "PORT", meaning: "the port of the service, for --drain" },
      { name: "wait", value: "S", meaning: "seconds that every load balancer has to ask (30)" },
      {
        name: "pollers",
        value: "N",
        meaning: "there are at least N load balancers, 0: maybe none",
      },
      {
        name: "forget-silent",
        value: "S",
        meaning: "load balancers silent for S seconds are gone",
      },
      { name: "from-any", meaning: "begin from any status, not only UP and READY" },
      { name: "up", meaning: "end at UP, whatever it began from" },
      { name: "young", meaning: "believe an agent that has just started" },
      INSTANCE_OPTION,
    ],
    isVerbatim: true,
    runsCommand: true,
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
  2: "a wrong argument or variable; with --expect, another status",
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
  const flags =
    options.length > 2 ? ["[OPTION...]"] : options.map((option) => `[${formatOption(option)}]`);
  return ["hapgent", name, ...flags, operands].filter(Boolean).join(" ");
}

/** An option as one types it: `--wait S`. */
export function formatOption({ name, value }: Option): string {
  return value ? `--${name} ${value}` : `--${name}`;
}

/** The options of these commands, each once; one that means several things says to which command. */
export function listOptions(commands: readonly Command[]): Entry[] {
  const all = commands.flatMap(({ name, options = [] }) =>
    options.map((option) => ({ name, term: formatOption(option), meaning: option.meaning })),
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
