/** A row of the help: a term and what it means. */
type Row = readonly [term: string, meaning: string];

/**
 * The command lines. This module is the one place that describes them: help, man page and
 * completion.
 */
export const COMMANDS: readonly Row[] = [
  ["hapgent", "run the agent"],
  ["hapgent check [FILE] [--json]", "print the reply that a state file gives, and warnings"],
  [
    "hapgent status [HOST:PORT] [--timeout S] [--wait S] [--json]",
    "ask an agent as HAProxy does and print its reply",
  ],
  ["hapgent ctl COMMAND...", "send a command to the runtime socket"],
  ["hapgent --help | --version", "print this help, or the version"],
];

export const OPTIONS: readonly Row[] = [
  ["--json", "print one line of JSON, for scripts"],
  ["--timeout S", "give up a check after so many seconds (2)"],
  ["--wait S", "try again for so many seconds until there is a reply (0)"],
];

export const VARIABLES: readonly Row[] = [
  ["HAPGENT_IP", "address to listen on, IPv4 or IPv6 (0.0.0.0)"],
  ["HAPGENT_PORT", "TCP port, 1 to 65535 (9777)"],
  ["HAPGENT_STATE_FILE", "the state file (/etc/hapgent/state.json)"],
  ["HAPGENT_REPLY", "full: replies that leave no earlier one in force (exact)"],
  ["HAPGENT_WATCH", "on: read the file at a check if it has changed (off)"],
  ["HAPGENT_SOCKET", "path of the runtime socket (none)"],
  ["HAPGENT_STOP_STATUS", "status to answer between SIGTERM and the end (none)"],
  ["HAPGENT_STOP_GRACE", "seconds that this takes at most, 1 to 3600 (10)"],
  ["HAPGENT_TUNE", "off: do not restart with tuned runtime settings (on)"],
];

export const STATE_FIELDS: readonly Row[] = [
  ["status", "UP, DOWN, READY, DRAIN, FAIL, MAINT or STOPPED; required"],
  ["weight", "0 to 255, percent of the weight configured in HAProxy"],
  ["maxconn", "0 to 65535 connections; 0 is no limit"],
  ["reason", "at most 100 printable ASCII characters, shown by HAProxy"],
];

export const SIGNALS: readonly Row[] = [
  ["SIGHUP", "read the state file again; if it is invalid: FAIL"],
  ["SIGUSR1, SIGUSR2", "set the status to UP, to DOWN, and save it to the file"],
  ["SIGTERM, SIGINT", "stop; a second one stops at once"],
];

export const RUNTIME_COMMANDS: readonly Row[] = [
  ["show state", "the state and its reply, as JSON"],
  ["show pollers", "who asked in the last minute, as JSON"],
  ["set status STATUS [REASON]", "set and save the status; weight and maxconn stay"],
  ["set weight N, set maxconn N", "set and save them"],
  ["reload", "read the state file again, as SIGHUP does"],
  ["wait SECONDS", "answer when all pollers got the present reply"],
  ["help", "list the commands"],
];

export const EXIT_CODES: readonly Row[] = [
  ["0", "stopped by a signal; valid; a well-formed reply; ok"],
  ["1", "cannot listen; invalid; no well-formed reply; an error"],
  ["2", "a wrong argument or environment variable"],
];

/** What `--help` prints. */
export function formatHelp(): string {
  return [
    "hapgent answers HAProxy's agent checks with the state of the service beside it.",
    `Usage\n${COMMANDS.map(([term, meaning]) => `  ${term}\n      ${meaning}`).join("\n")}`,
    formatSection("Options", OPTIONS),
    formatSection("Environment", VARIABLES),
    formatSection("State file, JSON", STATE_FIELDS),
    formatSection("Signals", SIGNALS),
    formatSection("Commands of ctl and the runtime socket", RUNTIME_COMMANDS),
    formatSection("Exit codes", EXIT_CODES),
  ].join("\n\n");
}

/** What follows an error about the command line. */
export function formatSynopsis(): string {
  return `usage: ${COMMANDS.map(([line]) => line).join("\n       ")}`;
}

function formatSection(title: string, rows: readonly Row[]): string {
  const width = Math.max(...rows.map(([term]) => term.length));
  return `${title}\n${rows.map(([term, meaning]) => `  ${term.padEnd(width)}  ${meaning}`).join("\n")}`;
}
