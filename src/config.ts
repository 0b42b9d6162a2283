import type { ListenAddress } from "./address.ts";
import type { ReplyMode } from "./state/reply.ts";
import { STATUSES, type Status } from "./state/state.ts";
import { findNearest, quote, suggest } from "./text.ts";

/** The environment of a process: text by name. */
export type Environment = Record<string, string | undefined>;

/** What the environment asks of the agent. */
export interface Config {
  readonly listen: ListenAddress;
  /** Path of the state file: the service's, or the host's when there are several services. */
  readonly stateFile: string;
  /** `exact`: as the original; `full`: replies that leave nothing of an earlier one in force. */
  readonly reply: ReplyMode;
  /** Whether each check first looks whether the state file has changed. */
  readonly watch: boolean;
  /** Path of the control socket, if there is to be one. */
  readonly socket: string | undefined;
  /** Its mode; with 0660 it has the group of its directory. */
  readonly socketMode: 0o600 | 0o660;
  /** The directory with the state files of several services, if there are several. */
  readonly services: string | undefined;
  /** The status from the signal to stop to the end, and for how many seconds at most. */
  readonly stop: { readonly status: Status; readonly seconds: number } | undefined;
}

/** An environment variable has an invalid value: the program cannot start. */
export class ConfigError extends Error {
  constructor(
    message: string,
    readonly variable?: string,
  ) {
    super(message);
  }
}

const SWITCH = ["off", "on"] as const;
type Switch = (typeof SWITCH)[number];

/**
 * How one variable is read. By plain functions: schemas for a handful of words cost a tenth of the
 * agent's memory.
 */
interface Setting<T> {
  /** What it is when it is unset. */
  readonly unset: T;
  /** What it may hold, as an error says it. */
  readonly expected: string;
  /** The value that a text stands for; undefined when the text is invalid. */
  readonly parse: (text: string) => T | undefined;
}

/** Every variable that the agent reads; nothing else reads them. */
const SETTINGS = {
  HAPGENT_IP: setting("0.0.0.0", "an IPv4 or IPv6 address", parseIp),
  HAPGENT_PORT: integer(9777, 1, 65535),
  HAPGENT_STATE_FILE: setting("/etc/hapgent/state.json", "the path of a file", parsePath),
  HAPGENT_REPLY: oneOf<ReplyMode | undefined>(undefined, ["exact", "full"]),
  HAPGENT_WATCH: oneOf<Switch>("off", SWITCH),
  HAPGENT_TUNE: oneOf<Switch>("on", SWITCH),
  HAPGENT_SERVICES: setting<string | undefined>(undefined, "the path of a directory", parsePath),
  HAPGENT_SOCKET: setting<string | undefined>(
    undefined,
    "the path of a socket, 1 to 107 bytes",
    parseSocketPath,
  ),
  HAPGENT_SOCKET_MODE: oneOf<"0600" | "0660">("0600", ["0600", "0660"]),
  HAPGENT_STOP_STATUS: oneOf<Status | undefined>(undefined, STATUSES),
  HAPGENT_STOP_GRACE: integer(10, 1, 3600),
} as const;

/** The name of a variable that the agent reads. */
export type SettingName = keyof typeof SETTINGS;
type Value<N extends SettingName> = (typeof SETTINGS)[N]["unset"];

/** The variables that the agent reads, by name. */
export const VARIABLE_NAMES: readonly string[] = Object.keys(SETTINGS);

/**
 * Reads the agent's settings from environment variables; an unset one has its default.
 *
 * @throws {ConfigError} naming the first invalid variable, what was expected and what came.
 */
export function readConfig(env: Environment): Config {
  const ip = readSetting(env, "HAPGENT_IP");
  const port = readSetting(env, "HAPGENT_PORT");
  const stateFile = readSetting(env, "HAPGENT_STATE_FILE");
  const reply = readReplyMode(env);
  const watch = readSetting(env, "HAPGENT_WATCH") === "on";
  readSetting(env, "HAPGENT_TUNE");
  const services = readSetting(env, "HAPGENT_SERVICES");
  const socket = readSetting(env, "HAPGENT_SOCKET");
  const socketMode = readSetting(env, "HAPGENT_SOCKET_MODE") === "0660" ? 0o660 : 0o600;
  const status = readSetting(env, "HAPGENT_STOP_STATUS");
  const seconds = readSetting(env, "HAPGENT_STOP_GRACE");
  if (env["HAPGENT_SOCKET_MODE"] !== undefined && socket === undefined) {
    throw wrong(env, "HAPGENT_SOCKET_MODE", "HAPGENT_SOCKET beside it");
  }
  const listen = readPassedSocket(env) ?? { ip, port };
  const stop = status && { status, seconds };
  return { listen, stateFile, reply, watch, services, socket, socketMode, stop };
}

/** A variable that is named like the agent's, but that the agent does not know. */
export interface UnknownVariable {
  readonly name: string;
  /** The one that may be meant. */
  readonly nearest: string | undefined;
}

/** Says in words that a variable is unknown. */
export function describeUnknown({ name, nearest }: UnknownVariable): string {
  return `unknown variable ${name}${suggest(nearest)}`;
}

/** Finds variables that may be mistyped: the agent ignores them, which is worth a warning. */
export function findUnknownVariables(env: Environment): UnknownVariable[] {
  const isKnown = (name: string) => name in SETTINGS || isLink(name, env[name]);
  return Object.keys(env)
    .filter((name) => name.startsWith("HAPGENT_") && !isKnown(name))
    .map((name) => ({ name, nearest: findNearest(name, VARIABLE_NAMES) }));
}

/**
 * Whether Kubernetes has set a variable for a Service: hapgent, or one whose name begins so
 * (`HAPGENT_PORT`, `HAPGENT_WEB_PORT_80_TCP_ADDR`, `HAPGENT_WEB_SERVICE_HOST`).
 */
function isLink(name: string, value = ""): boolean {
  return /_SERVICE_(HOST|PORT)|_PORT_\d+_/.test(name) || /^(tcp|udp|sctp):\/\//.test(value);
}

/**
 * Reads how replies are written: whole by default where there are several services or a stop
 * status. What sticks in HAProxy would break both: a host that was DOWN would leave its services
 * DOWN.
 *
 * @throws {ConfigError} as `readConfig` does.
 */
export function readReplyMode(env: Environment): ReplyMode {
  const { HAPGENT_SERVICES, HAPGENT_STOP_STATUS } = env;
  const isFull = HAPGENT_SERVICES !== undefined || HAPGENT_STOP_STATUS !== undefined;
  return readSetting(env, "HAPGENT_REPLY") ?? (isFull ? "full" : "exact");
}

/**
 * Reads one variable, for a command that needs no other.
 *
 * @throws {ConfigError} as `readConfig` does.
 */
export function readSetting<N extends SettingName>(env: Environment, name: N): Value<N> {
  const text = env[name];
  const { unset, expected, parse } = SETTINGS[name] as Setting<Value<N>>;
  if (text === undefined) return unset;
  const value = parse(text);
  if (value === undefined) throw wrong(env, name, expected);
  return value;
}

/**
 * The socket that systemd passed, by the rules of sd_listen_fds(3): meant for another pid, it is
 * ignored.
 */
function readPassedSocket(env: Environment): { fd: number } | undefined {
  const { LISTEN_PID, LISTEN_FDS } = env;
  if (LISTEN_PID === undefined) return undefined;
  if (!/^[1-9]\d*$/.test(LISTEN_PID)) throw wrong(env, "LISTEN_PID", "the id of a process");
  if (Number(LISTEN_PID) !== process.pid || LISTEN_FDS === undefined) return undefined;
  if (LISTEN_FDS !== "1") throw wrong(env, "LISTEN_FDS", "1, a single socket");
  return { fd: 3 };
}

function setting<T>(
  unset: T,
  expected: string,
  parse: (text: string) => T | undefined,
): Setting<T> {
  return { unset, expected, parse };
}

function oneOf<T extends string | undefined>(unset: T, words: readonly T[]): Setting<T> {
  const expected = words.length === 2 ? words.join(" or ") : `one of ${words.join(", ")}`;
  return { unset, expected, parse: (text) => words.find((word) => word === text) };
}

function integer(unset: number, minimum: number, maximum: number): Setting<number> {
  return setting(unset, `an integer from ${minimum} to ${maximum}`, (text) => {
    const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
    return value >= minimum && value <= maximum ? value : undefined;
  });
}

function parsePath(text: string): string | undefined {
  return text === "" ? undefined : text;
}

function parseSocketPath(text: string): string | undefined {
  // The kernel keeps 108 bytes for the path, the last of them NUL (unix(7)).
  return Buffer.byteLength(text) <= 107 ? parsePath(text) : undefined;
}

/** An address as it is written in a URL; the runtime knows how an IPv6 one may look. */
function parseIp(text: string): string | undefined {
  const numbers = text.split(".");
  // Without a regular expression: each that runs costs memory, and this one would at every start.
  const isByte = (number: string) => String(Number(number) & 255) === number;
  if (numbers.length === 4 && numbers.every(isByte)) return text;
  const isIpv6 = /^[\da-f:.]*:[\da-f:.]*$/i.test(text) && URL.canParse(`http://[${text}]/`);
  return isIpv6 ? text : undefined;
}

function wrong(env: Environment, name: string, expected: string): ConfigError {
  const got = env[name] ?? "";
  const isSetForService = name === "HAPGENT_PORT" && isLink(name, got);
  const hint = isSetForService
    ? " (Kubernetes sets it for a Service: use enableServiceLinks: false)"
    : "";
  return new ConfigError(`${name}: expected ${expected}, got ${quote(got)}${hint}`, name);
}
