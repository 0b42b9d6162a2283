import * as v from "valibot";

const PORT = "an integer from 1 to 65535";

const ConfigSchema = v.object({
  HAPGENT_IP: v.optional(v.pipe(v.string(), v.ip("an IPv4 or IPv6 address")), "0.0.0.0"),
  HAPGENT_PORT: v.pipe(
    v.optional(v.pipe(v.string(), v.regex(/^\d{1,5}$/, PORT)), "9777"),
    v.transform(Number),
    v.minValue(1, PORT),
    v.maxValue(65535, PORT),
  ),
  HAPGENT_STATE_FILE: v.optional(
    v.pipe(v.string(), v.nonEmpty("the path of a file")),
    "/etc/hapgent/state.json",
  ),
});

/** What the environment asks of the agent. */
export interface Config {
  /** Address to listen on, IPv4 or IPv6. */
  readonly ip: string;
  /** TCP port, 1 to 65535. */
  readonly port: number;
  /** Path of the state file. */
  readonly stateFile: string;
}

/** A variable of the environment holds what it must not: the program cannot start. */
export class ConfigError extends Error {}

/**
 * Reads the agent's settings from environment variables; what is not set has its default.
 *
 * @throws {ConfigError} naming the first variable that is wrong, what was expected and what came.
 */
export function readConfig(env: Record<string, string | undefined>): Config {
  const result = v.safeParse(ConfigSchema, env, { abortEarly: true });
  if (!result.success) {
    const [issue] = result.issues;
    const name = String(issue.path?.[0].key);
    throw new ConfigError(`${name}: expected ${issue.message}, got ${JSON.stringify(env[name])}`);
  }
  const { HAPGENT_IP, HAPGENT_PORT, HAPGENT_STATE_FILE } = result.output;
  return { ip: HAPGENT_IP, port: HAPGENT_PORT, stateFile: HAPGENT_STATE_FILE };
}
