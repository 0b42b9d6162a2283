// What the program understands, as data. Help, argument parsing, man page, completions and the
// tables of the README come from here.
import { STATUSES } from "./state/state.ts";

/** An option of a command. */
export interface Option {
  readonly name: string;
  /** The name of its value; an option without one takes none. */
  readonly value?: string;
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

/** An environment variable. */
export interface Variable {
  readonly name: string;
  /** Its default, as text. */
  readonly fallback: string;
  readonly meaning: string;
}

/** A command of the control socket. */
export interface ControlCommand {
  /** The command and its arguments. */
  readonly usage: string;
  readonly meaning: string;
}

const JSON_OPTION: Option = {
  name: "json",
  meaning: "print JSON in place of text",
};

const INSTANCE_OPTION: Option = {
  name: "instance",
  value: "NAME",
  meaning: "use the installed agent hapgent@NAME",
};

export const COMMANDS: readonly Command[] = [
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
        meaning: "be a monitor's probe: exit 2 unless the status is in LIST",
      },
      { name: "timeout", value: "S", meaning: "give up a check after S seconds (2)" },
      { name: "wait", value: "S", meaning: "try again for S seconds (0)" },
      INSTANCE_OPTION,
      JSON_OPTION,
    ],
    meaning: "ask an agent as HAProxy does and print its reply",
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
      { name: "status", value: "STATUS", meaning: "DRAIN, or MAINT where sessions stick (DRAIN)" },
      {
        name: "drain",
        value: "S",
        meaning: "wait up to S seconds for the connections to --port to end",
      },
      { name: "port", value: "PORT", meaning: "the service's port on this machine, for --drain" },
      { name: "wait", value: "S", meaning: "seconds that every load balancer has to ask (30)" },
      { name: "answer", value: "S", meaning: "seconds that the service has to answer (60)" },
      {
        name: "settle",
        value: "S",
        meaning: "seconds to stay out once it answers: `rise` times `inter` (5)",
      },
      {
        name: "pollers",
        value: "N",
        meaning: "there are at least N load balancers; 0: perhaps none",
      },
      {
        name: "forget-silent",
        value: "S",
        meaning: "load balancers that are silent for S seconds are gone",
      },
      { name: "from-any", meaning: "begin from any status, not only from UP and READY" },
      { name: "young", meaning: "believe an agent that has just started" },
      INSTANCE_OPTION,
    ],
    isVerbatim: true,
    runsCommand: true,
    meaning: "take the service out of rotation, run a command, put it back",
  },
  {
    name: "help",
    operands: "[COMMAND]",
    meaning: "print the help, or the part about one command",
  },
];

export const VARIABLES: readonly Variable[] = [
  {
    name: "HAPGENT_IP",
    fallback: "0.0.0.0",
    meaning: "address to listen on, IPv4 or IPv6; `::` is both",
  },
  { name: "HAPGENT_PORT", fallback: "9777", meaning: "TCP port, 1 to 65535" },
  {
    name: "HAPGENT_STATE_FILE",
    fallback: "/etc/hapgent/state.json",
    meaning: "the state file, in a directory of its own",
  },
  {
    name: "HAPGENT_REPLY",
    fallback: "exact",
    meaning: "`full`: replies that leave no earlier one in force",
  },
  {
    name: "HAPGENT_WATCH",
    fallback: "off",
    meaning: "`on`: each check first looks whether the file changed",
  },
  {
    name: "HAPGENT_SERVICES",
    fallback: "none",
    meaning: "directory with NAME.json for each service of this host",
  },
  { name: "HAPGENT_SOCKET", fallback: "none", meaning: "path of the control socket" },
  {
    name: "HAPGENT_SOCKET_MODE",
    fallback: "0600",
    meaning: "`0660`: open it to the group of its directory too",
  },
  {
    name: "HAPGENT_STOP_STATUS",
    fallback: "none",
    meaning: "status to answer from SIGTERM to the end",
  },
  {
    name: "HAPGENT_STOP_GRACE",
    fallback: "10",
    meaning: "longest time to answer it, 1 to 3600 seconds",
  },
  {
    name: "HAPGENT_TUNE",
    fallback: "on",
    meaning: "`off`: do not restart with tuned runtime settings",
  },
];

export const STATE_FIELDS: readonly Entry[] = [
  {
    term: "status",
    meaning: `${STATUSES.slice(0, -1).join(", ")} or ${STATUSES.at(-1)}; required`,
  },
  { term: "weight", meaning: "0 to 255, percent of the weight configured in HAProxy" },
  { term: "maxconn", meaning: "0 to 65535 connections; 0 is no limit" },
  { term: "reason", meaning: "at most 100 printable ASCII characters, shown by HAProxy" },
];

export const SIGNALS: readonly Entry[] = [
  { term: "SIGHUP", meaning: "read the state file again; if it is invalid: FAIL" },
  { term: "SIGUSR1, SIGUSR2", meaning: "set the status to UP, to DOWN, and save it to the file" },
  { term: "SIGTERM, SIGINT", meaning: "stop; a second one stops at once" },
];

export const CONTROL_COMMANDS: readonly ControlCommand[] = [
  { usage: "show state", meaning: "the state and its reply, as JSON" },
  { usage: "show services", meaning: "every service with its state and reply, as JSON" },
  { usage: "show pollers", meaning: "who asks, when, and what it was told, as JSON" },
  {
    usage: "set status STATUS [REASON]",
    meaning: "set and save the status; weight and maxconn stay",
  },
  { usage: "set weight N", meaning: "set and save the weight" },
  { usage: "set maxconn N", meaning: "set and save the limit of connections" },
  { usage: "reload", meaning: "read the state file again, as SIGHUP does" },
  {
    usage: "wait SECONDS [COUNT]",
    meaning: "answer once every poller has the reply",
  },
  { usage: "forget ADDRESS", meaning: "no longer wait for this load balancer" },
  { usage: "help", meaning: "list the commands" },
];

export const EXIT_CODES: readonly Entry[] = [
  { term: "0", meaning: "stopped by a signal; valid; a well-formed reply; ok" },
  { term: "1", meaning: "cannot listen; invalid; no well-formed reply; an error" },
  { term: "2", meaning: "a wrong argument or variable; with --expect, another status" },
  { term: "3", meaning: "a deploy was refused: nothing was changed" },
];

export const EXAMPLES: readonly Entry[] = [
  { term: "hapgent status", meaning: "what does HAProxy hear?" },
  {
    term: "hapgent status --expect UP,READY",
    meaning: "a monitor's probe: exit code 0, or 2 with what is wrong",
  },
  {
    term: 'hapgent ctl set status DRAIN "deploying v42"',
    meaning: "take the service out, and say why",
  },
  {
    term: "hapgent ctl wait 30",
    meaning: "then wait until every HAProxy has been told, for 30 seconds at most",
  },
  { term: "hapgent ctl set status READY", meaning: "put the service back" },
  { term: "hapgent ctl @web show state", meaning: "one of several services (HAPGENT_SERVICES)" },
  { term: "hapgent check --config", meaning: "are the settings right, before a restart?" },
  { term: "hapgent check - < new.json", meaning: "is this a state, and what will HAProxy hear?" },
  { term: "pkill -USR2 -x hapgent", meaning: "set DOWN where there is nothing but a shell" },
];

/** The ways to call the program, a line each. */
export function listUsages(): string[] {
  return ["hapgent", ...COMMANDS.map(formatUsage), "hapgent --help | --version"];
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

/** All options, each once. */
export function listOptions(): Option[] {
  const options = COMMANDS.flatMap((command) => command.options ?? []);
  return options.filter((option, i) => options.findIndex(({ name }) => name === option.name) === i);
}
