import * as v from "valibot";
import { STATUSES, type Status } from "./state.ts";

/** Everything that the agent takes from its environment, by variable; nothing else reads these. */
const ConfigSchema = v.object({
  // The expression for IPv6 is a large one: it is built only where it is needed.
  HAPGENT_IP: v.optional(
    v.pipe(
      v.string(),
      v.check(
        (text) => (text.includes(":") ? v.IPV6_REGEX : v.IPV4_REGEX).test(text),
        "an IPv4 or IPv6 address",
      ),
    ),
    "0.0.0.0",
  ),
  HAPGENT_PORT: v.optional(integer(1, 65535), "9777"),
  HAPGENT_STATE_FILE: v.optional(
    v.pipe(v.string(), v.nonEmpty("the path of a file")),
    "/etc/hapgent/state.json",
  ),
  HAPGENT_REPLY: v.optional(v.picklist(["exact", "full"], "exact or full"), "exact"),
  HAPGENT_WATCH: v.optional(v.picklist(["off", "on"], "off or on"), "off"),
  HAPGENT_TUNE: v.optional(v.picklist(["off", "on"], "off or on")),
  // The kernel keeps 108 bytes for the path, the last of them NUL (unix(7)).
  HAPGENT_SOCKET: v.optional(
    v.pipe(v.string(), v.check(isSocketPath, "the path of a socket, 1 to 107 bytes")),
  ),
  HAPGENT_STOP_STATUS: v.optional(v.picklist(STATUSES, `one of ${STATUSES.join(", ")}`)),
  HAPGENT_STOP_GRACE: v.optional(integer(1, 3600), "10"),
});

/** What the environment asks of the agent. */
export interface Config {
  /** Where to listen: an address and a port, or a socket that systemd has opened. */
  readonly listen: Address | { readonly fd: number };
  /** Path of the state file. */
  readonly stateFile: string;
  /** `exact`: as the original; `full`: replies that leave nothing of an earlier one in force. */
  readonly reply: "exact" | "full";
  /** Whether each check looks if the state file has changed. */
  readonly watch: boolean;
  /** Path of the runtime socket, if there is to be one. */
  readonly socket: string | undefined;
  /** What is answered between the signal to stop and the end, and for how many seconds at most. */
  readonly goodbye: { readonly status: Status; readonly seconds: number } | undefined;
}

/** An IPv4 or IPv6 address and a TCP port. */
export interface Address {
  readonly ip: string;
  readonly port: number;
}

/** The environment of a process: text by name. */
export type Environment = Record<string, string | undefined>;

/** A variable of the environment holds what it must not: the program cannot start. */
export class ConfigError extends Error {}

/**
 * Reads the agent's settings from environment variables; what is not set has its default.
 *
 * @throws {ConfigError} naming the first variable that is wrong, what was expected and what came.
 */
export function readConfig(env: Environment): Config {
  const result = v.safeParse(ConfigSchema, env, { abortEarly: true });
  if (!result.success) {
    const [issue] = result.issues;
    throw wrong(env, String(issue.path?.[0].key), issue.message);
  }
  const set = result.output;
  if (env["HAPGENT_STOP_GRACE"] !== undefined && set.HAPGENT_STOP_STATUS === undefined) {
    throw wrong(env, "HAPGENT_STOP_GRACE", "HAPGENT_STOP_STATUS beside it");
  }
  return {
    listen: readListenFds(env) ?? { ip: set.HAPGENT_IP, port: set.HAPGENT_PORT },
    stateFile: set.HAPGENT_STATE_FILE,
    reply: set.HAPGENT_REPLY,
    watch: set.HAPGENT_WATCH === "on",
    socket: set.HAPGENT_SOCKET,
    goodbye: set.HAPGENT_STOP_STATUS && {
      status: set.HAPGENT_STOP_STATUS,
      seconds: set.HAPGENT_STOP_GRACE,
    },
  };
}

/**
 * The socket that systemd passed, by the rules of sd_listen_fds(3): meant for another pid, it is
 * ignored.
 */
function readListenFds(env: Environment): { fd: number } | undefined {
  const { LISTEN_PID, LISTEN_FDS } = env;
  if (LISTEN_PID === undefined) return undefined;
  if (!/^[1-9]\d*$/.test(LISTEN_PID)) throw wrong(env, "LISTEN_PID", "the id of a process");
  if (Number(LISTEN_PID) !== process.pid || LISTEN_FDS === undefined) return undefined;
  if (LISTEN_FDS !== "1") throw wrong(env, "LISTEN_FDS", "1, a single socket");
  return { fd: 3 };
}

function integer(minimum: number, maximum: number) {
  const expected = `an integer from ${minimum} to ${maximum}`;
  return v.pipe(
    v.string(),
    v.digits(expected),
    v.transform(Number),
    v.minValue(minimum, expected),
    v.maxValue(maximum, expected),
  );
}

function isSocketPath(path: string): boolean {
  return path !== "" && Buffer.byteLength(path) <= 107;
}

function wrong(env: Environment, name: string, expected: string): ConfigError {
  return new ConfigError(`${name}: expected ${expected}, got ${JSON.stringify(env[name])}`);
}
