import { version } from "../package.json";

/** Exit codes of the program, all of them. */
export const EXIT = {
  /** Stopped by SIGTERM or SIGINT, or printed what was asked for. */
  ok: 0,
  /** The address cannot be bound. */
  failure: 1,
  /** A wrong argument or environment variable. */
  usage: 2,
} as const;

export const VERSION = version;

const USAGE = "usage: hapgent [--help | --version]";

const HELP = `hapgent ${VERSION}: answers HAProxy's agent checks with this service's state

${USAGE}

Environment
  HAPGENT_IP          address to listen on, IPv4 or IPv6 (0.0.0.0)
  HAPGENT_PORT        TCP port, 1 to 65535 (9777)
  HAPGENT_STATE_FILE  state file (/etc/hapgent/state.json), for instance
                      {"status": "UP", "weight": 75, "maxconn": 1000}

State file
  status   UP, DOWN, READY, DRAIN, FAIL, MAINT or STOPPED; required
  weight   0 to 255, percent of the weight configured in HAProxy
  maxconn  0 to 65535
  reason   at most 100 printable ASCII characters, for HAProxy's statistics page

Signals
  SIGHUP            read the state file again
  SIGUSR1, SIGUSR2  set the status to UP, to DOWN, and save it to the file
  SIGTERM, SIGINT   stop

Exit codes
  0  stopped by a signal, or this help
  1  the address cannot be bound
  2  a wrong argument or environment variable
`;

/** What the command line asks for: to run the agent, or to print a text and exit with a code. */
export type Command = { kind: "run" } | { kind: "print"; text: string; exitCode: number };

/** Reads the command line without the program's own name. */
export function readCommand(args: readonly string[]): Command {
  const [first, ...rest] = args;
  if (first === undefined) return { kind: "run" };
  if (rest.length === 0) {
    if (first === "--help" || first === "-h")
      return { kind: "print", text: HELP, exitCode: EXIT.ok };
    if (first === "--version" || first === "-V") {
      return { kind: "print", text: `hapgent ${VERSION}\n`, exitCode: EXIT.ok };
    }
  }
  const unknown = JSON.stringify(args.join(" "));
  return {
    kind: "print",
    text: `hapgent: expected no arguments, --help or --version, got ${unknown}\n${USAGE}\n`,
    exitCode: EXIT.usage,
  };
}
