import type { ListenAddress } from "./address.ts";
import { isIp, type NamedPollers, parseNamedPollers } from "./named-pollers.ts";
import type { ReplyMode } from "./state/reply.ts";
import { STATUSES, type Status } from "./state/state.ts";
import { findNearest, quote, suggest } from "./text.ts";

/** The environment of a process: text by name. */
export type Environment = Record<string, string | undefined>;

/** An environment variable has an invalid value: the program cannot start. */
export class ConfigError extends Error {
  constructor(
    message: string,
    readonly variable?: string,
  ) {
    super(message);
  }
}

/** What a variable may hold. By plain functions: schemas would cost a tenth of the agent's memory. */
interface Format<T> {
  /** As an error says it. */
  readonly expected: string;
  /** The value of a text; undefined when it is invalid, or an error that says more. */
  readonly parse: (text: string) => T | undefined;
}

/** One variable, and all that is known of it. */
interface Setting<T> extends Format<T> {
  /** Its value when it is unset. */
  readonly unset: T;
  /** For help, man page and README. */
  readonly meaning: string;
}

const SWITCH = oneOf("off", "on");

/** Every variable that the agent reads; nothing else reads them. */
const SETTINGS = {
  HAPGENT_IP: setting("0.0.0.0", "address to listen on, IPv4 or IPv6; `::` is both", {
    expected: "an IPv4 or IPv6 address",
    parse: (text) => (text.includes("%") || !isIp(text) ? undefined : text),
  }),
  HAPGENT_PORT: setting(9777, "TCP port, 1 to 65535", integer(1, 65_535)),
  HAPGENT_STATE_FILE: setting(
    "/etc/hapgent/state.json",
    "the state file, in a directory of its own",
    path("a file"),
  ),
  HAPGENT_REPLY: setting<ReplyMode>(
    "exact",
    "`full`: replies that leave no earlier one in force",
    oneOf("exact", "full"),
  ),
  HAPGENT_WATCH: setting("off", "`on`: each check first looks whether the file changed", SWITCH),
  HAPGENT_SERVICES: optional("directory with NAME.json for each service", path("a directory")),
  // The kernel keeps 108 bytes for the path, the last of them NUL (unix(7)).
  HAPGENT_SOCKET: optional("path of the control socket", path("a socket, 1 to 107 bytes", 107)),
  HAPGENT_SOCKET_MODE: setting(
    "0600",
    "`0660`: open it to the group of its directory too",
    oneOf("0600", "0660"),
  ),
  HAPGENT_POLLERS: optional("addresses and networks of the load balancers", {
    expected: "addresses and networks",
    parse: parseNamedPollers,
  }),
  HAPGENT_FORGET: optional("seconds until a silent load balancer is forgotten", integer(1, 86_400)),
  HAPGENT_STOP_STATUS: optional("status of every reply from SIGTERM on", oneOf(...STATUSES)),
  HAPGENT_STOP_GRACE: setting(10, "seconds to let all hear it, 1 to 3600", integer(1, 3600)),
  HAPGENT_TUNE: setting("on", "`off`: do not restart with tuned runtime settings", SWITCH),
} as const;

/** The name of a variable that the agent reads. */
export type SettingName = keyof typeof SETTINGS;
type Value<N extends SettingName> = (typeof SETTINGS)[N]["unset"];

/** Variables that do nothing unless one of these is set too. */
const NEEDS: Readonly<Partial<Record<SettingName, readonly SettingName[]>>> = {
  HAPGENT_SOCKET_MODE: ["HAPGENT_SOCKET"],
  HAPGENT_POLLERS: ["HAPGENT_SOCKET", "HAPGENT_STOP_STATUS"],
  HAPGENT_FORGET: ["HAPGENT_SOCKET", "HAPGENT_STOP_STATUS"],
  HAPGENT_STOP_GRACE: ["HAPGENT_STOP_STATUS"],
};

/** Every variable with its meaning and its default, for help, man page and README. */
export function listVariables() {
  return Object.entries(SETTINGS).map(([term, { unset, meaning }]) => {
    return { term, meaning, fallback: String(unset ?? "none") };
  });
}

/** What the environment asks of the agent. */
export interface Config {
  readonly listen: readonly ListenAddress[];
  /** Path of the state file: the service's, or the host's when there are several services. */
  readonly stateFile: string;
  readonly reply: ReplyMode;
  /** Whether each check first looks whether the state file has changed. */
  readonly watch: boolean;
  /** The directory with the state files of several services, if there are several. */
  readonly services: string | undefined;
  /** Path of the control socket, if there is to be one. */
  readonly socket: string | undefined;
  /** Its mode; with 0660 it has the group of its directory. */
  readonly socketMode: 0o600 | 0o660;
  /** The status from the signal to stop to the end, and for how many seconds at most. */
  readonly stop: { readonly status: Status; readonly seconds: number } | undefined;
  /** The load balancers that count; undefined: the agent infers them. */
  readonly pollers: NamedPollers | undefined;
  /** Seconds of silence after which a load balancer is forgotten; undefined: never. */
  readonly forget: number | undefined;
}

/**
 * Reads the agent's settings from environment variables; an unset one has its default.
 *
 * @throws {ConfigError} naming the first invalid variable, what was expected and what came.
 */
export function readConfig(env: Environment): Config {
  const read = <N extends SettingName>(name: N) => readSetting(env, name);
  const address = { ip: read("HAPGENT_IP"), port: read("HAPGENT_PORT") };
  const status = read("HAPGENT_STOP_STATUS");
  const grace = read("HAPGENT_STOP_GRACE");
  read("HAPGENT_TUNE");
  return {
    listen: readPassedSockets(env) ?? [address],
    stateFile: read("HAPGENT_STATE_FILE"),
    reply: readReplyMode(env),
    watch: read("HAPGENT_WATCH") === "on",
    services: read("HAPGENT_SERVICES"),
    socket: read("HAPGENT_SOCKET"),
    socketMode: read("HAPGENT_SOCKET_MODE") === "0660" ? 0o660 : 0o600,
    stop: status && { status, seconds: grace },
    pollers: read("HAPGENT_POLLERS"),
    forget: read("HAPGENT_FORGET"),
  };
}

/**
 * Reads how replies are written: full by default where there are several services or a stop status.
 *
 * @throws {ConfigError} as `readConfig` does.
 */
export function readReplyMode(env: Environment): ReplyMode {
  const isFull = env["HAPGENT_REPLY"] === undefined && findFullReason(env) !== undefined;
  return isFull ? "full" : readSetting(env, "HAPGENT_REPLY");
}

/**
 * Reads one variable, for a command that needs no other.
 *
 * @throws {ConfigError} as `readConfig` does.
 */
export function readSetting<N extends SettingName>(env: Environment, name: N): Value<N> {
  const setting = SETTINGS[name] as Setting<Value<N>>;
  return env[name] === undefined ? setting.unset : readAs(env, name, setting);
}

/** What in an environment is valid and still not what its author may expect, in words. */
export function findDoubts(env: Environment): string[] {
  const doubts: string[] = [];
  for (const name in env) {
    if (!name.startsWith("HAPGENT_")) continue;
    const needed = NEEDS[name as SettingName];
    if (needed?.every((one) => !env[one])) {
      doubts.push(`${name} does nothing without ${needed.join(" or ")}`);
    } else if (!(name in SETTINGS || isLink(name, env[name]))) {
      const nearest = findNearest(name, Object.keys(SETTINGS));
      doubts.push(`unknown variable ${name}${suggest(nearest)}`);
    }
  }
  const beside = env["HAPGENT_REPLY"] === "exact" ? findFullReason(env) : undefined;
  const sticky = `HAPGENT_REPLY=exact beside ${beside}: what HAProxy was told before stays in force`;
  return beside === undefined ? doubts : [...doubts, sticky];
}

/** Why replies are full by default: what sticks in HAProxy would break services and stop status. */
function findFullReason(env: Environment): SettingName | undefined {
  const names = ["HAPGENT_SERVICES", "HAPGENT_STOP_STATUS"] as const;
  return names.find((name) => env[name] !== undefined);
}

/** Whether Kubernetes has set a variable for a Service named hapgent or hapgent-something. */
function isLink(name: string, value = ""): boolean {
  return /_SERVICE_(HOST|PORT)|_PORT_\d+_/.test(name) || /^(tcp|udp|sctp):\/\//.test(value);
}

/**
 * The sockets that systemd passed, by the rules of sd_listen_fds(3): meant for another pid, they
 * are ignored.
 */
function readPassedSockets(env: Environment): { fd: number }[] | undefined {
  if (env["LISTEN_PID"] === undefined) return undefined;
  const parse = (text: string) => (/^[1-9]\d*$/.test(text) ? Number(text) : undefined);
  const pid = readAs(env, "LISTEN_PID", { expected: "the id of a process", parse });
  if (pid !== process.pid || env["LISTEN_FDS"] === undefined) return undefined;
  const length = readAs(env, "LISTEN_FDS", integer(1, 100));
  return Array.from({ length }, (_, i) => ({ fd: 3 + i }));
}

/** Reads a variable that is set. */
function readAs<T>(env: Environment, name: string, { expected, parse }: Format<T>): T {
  const text = env[name] ?? "";
  try {
    const value = parse(text);
    if (value !== undefined) return value;
  } catch (error) {
    throw new ConfigError(`${name}: ${error instanceof Error ? error.message : error}`, name);
  }
  const isLinked = name === "HAPGENT_PORT" && isLink(name, text);
  const hint = isLinked ? " (Kubernetes sets it: use enableServiceLinks: false)" : "";
  throw new ConfigError(`${name}: expected ${expected}, got ${quote(text)}${hint}`, name);
}

function setting<T>(unset: T, meaning: string, format: Format<NoInfer<T>>): Setting<T> {
  return { unset, meaning, ...format };
}

/** A setting that is off when it is unset. */
function optional<T>(meaning: string, format: Format<T>): Setting<T | undefined> {
  return { unset: undefined, meaning, ...format };
}

function oneOf<T extends string>(...words: readonly T[]): Format<T> {
  const expected = words.length === 2 ? words.join(" or ") : `one of ${words.join(", ")}`;
  return { expected, parse: (text) => words.find((word) => word === text) };
}

function integer(minimum: number, maximum: number): Format<number> {
  const parse = (text: string) => {
    const value = Number(text);
    // Without a regular expression: each that runs costs memory, and this one would at every start.
    const isWhole = Number.isInteger(value) && text.length <= 6;
    if (!isWhole || String(value).padStart(text.length, "0") !== text) return undefined;
    return value >= minimum && value <= maximum ? value : undefined;
  };
  return { expected: `an integer from ${minimum} to ${maximum}`, parse };
}

function path(kind: string, maximum?: number): Format<string> {
  const parse = (text: string) => {
    // The runtime decodes the environment: what was no UTF-8 would be the path of another file.
    if (text.includes("\ufffd")) throw new Error(`expected a path in UTF-8, got ${quote(text)}`);
    const isLong = maximum !== undefined && Buffer.byteLength(text) > maximum;
    return text === "" || isLong ? undefined : text;
  };
  return { expected: `the path of ${kind}`, parse };
}
