import type { Environment } from "../config.ts";
import { UsageError } from "../exit.ts";

/**
 * Where the packages, the installer and the Ansible role put things; the units and the init script
 * say the same to the agent, which itself takes only its environment.
 */
export interface Installation {
  /** Variables of the agent, a line each. */
  readonly settings: string;
  readonly directory: string;
  readonly environment: Environment;
}

/** The agent of this machine, or one of its instances (`hapgent@NAME`). */
export function findInstallation(instance?: string): Installation {
  const directory = instance === undefined ? "/var/lib/hapgent" : `/var/lib/hapgent/${instance}`;
  const runtime = instance === undefined ? "/run/hapgent" : `/run/hapgent@${instance}`;
  return {
    settings: instance === undefined ? "/etc/default/hapgent" : `/etc/hapgent/${instance}.env`,
    directory,
    environment: {
      HAPGENT_STATE_FILE: `${directory}/state.json`,
      HAPGENT_SOCKET: `${runtime}/hapgent.sock`,
    },
  };
}

/**
 * What a command takes for the agent's environment: its own variables first, then the settings file
 * of the installed agent, then where that agent keeps its things; where none is installed, only its
 * own.
 *
 * @throws {UsageError} when an instance is named that no file can be called after, or is not there.
 */
export async function completeEnvironment(
  env: Environment,
  instance?: string,
): Promise<Environment> {
  if (instance !== undefined && !/^[\w.:-]+$/.test(instance)) {
    throw new UsageError(`expected the name of an instance, got ${JSON.stringify(instance)}`);
  }
  const { settings, directory, environment } = findInstallation(instance);
  const text = await readText(settings);
  if (text === undefined && !(await isDirectory(directory))) {
    if (instance === undefined) return env;
    throw new UsageError(`no instance ${instance}: there is neither ${settings} nor ${directory}`);
  }
  return { ...environment, ...parseSettings(text ?? ""), ...env };
}

/**
 * The agent's variables in a settings file, as systemd.exec(5) and a shell both read its simple
 * lines: `NAME=value`, the value perhaps in quotes; the last one of a name counts.
 */
export function parseSettings(text: string): Environment {
  const settings: Environment = {};
  for (const line of text.split("\n")) {
    const [, name, value = ""] = /^\s*(?:export\s+)?(HAPGENT_\w+)=(.*?)\s*$/.exec(line) ?? [];
    if (name !== undefined) settings[name] = value.replace(/^(["'])(.*)\1$/, "$2");
  }
  return settings;
}

async function readText(path: string): Promise<string | undefined> {
  return await Bun.file(path)
    .text()
    .catch(() => undefined);
}

async function isDirectory(path: string): Promise<boolean> {
  const stat = await Bun.file(path)
    .stat()
    .catch(() => undefined);
  return stat?.isDirectory() ?? false;
}
