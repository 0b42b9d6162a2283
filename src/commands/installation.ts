import { readdir } from "node:fs/promises";
import { codeOf, describeError } from "../errors.ts";
import { ConfigError, type Environment, readSetting, type SettingName } from "../settings.ts";
import { quote } from "../text.ts";

/** Where an installed agent keeps its files; only this module and the installers know. */
export interface Installation {
  /** The systemd unit, without its ending. */
  readonly unit: string;
  /** Variables of the agent, one a line. */
  readonly settingsFile: string;
  /** The directory that the agent may write to; it exists wherever the agent is installed. */
  readonly directory: string;
  readonly stateFile: string;
  readonly controlSocket: string;
}

/** What an instance may be called: what a file may be called, with nothing of a path in it. */
const INSTANCE_NAME = /^[A-Za-z0-9_][\w.:@-]*$/;

/** A value that systemd and a shell read alike: without quotes, in single or in double ones. */
const VALUE = /^(?:([^\s'"\\$`;&|<>()~]*)|'([^'\\]*)'|"([^"\\$`]*)")[ \t]*$/;

/** The installed agent of this machine, or one of its instances (`hapgent@NAME`). */
export function findInstallation(instance?: string): Installation {
  const isInstance = instance !== undefined;
  const unit = isInstance ? `hapgent@${instance}` : "hapgent";
  const directory = isInstance ? `/var/lib/hapgent/${instance}` : "/var/lib/hapgent";
  return {
    unit,
    settingsFile: isInstance ? `/etc/hapgent/${instance}.env` : "/etc/default/hapgent",
    directory,
    stateFile: `${directory}/state.json`,
    controlSocket: `/run/${unit}/hapgent.sock`,
  };
}

/** A variable, and where its value comes from if not the command's own environment. */
interface Assignment {
  readonly name: string;
  readonly value: string | undefined;
  readonly origin?: string;
}

/** The variables of the agent that a command speaks for, and where each of them comes from. */
export class Settings {
  readonly environment: Environment;
  readonly #origins: ReadonlyMap<string, string | undefined>;

  /**
   * @param assignments of one variable the last one counts.
   * @param installation the installed agent that the command speaks for, if it does.
   */
  constructor(
    assignments: readonly Assignment[],
    readonly installation?: Installation,
  ) {
    this.environment = Object.fromEntries(assignments.map(({ name, value }) => [name, value]));
    this.#origins = new Map(assignments.map(({ name, origin }) => [name, origin]));
  }

  /**
   * Reads one variable.
   *
   * @throws {ConfigError} naming the variable and where it comes from.
   */
  read<N extends SettingName>(name: N) {
    return this.use((env) => readSetting(env, name));
  }

  /**
   * Reads variables with a function of settings.ts.
   *
   * @throws {ConfigError} naming the variable and where it comes from.
   */
  use<T>(reader: (env: Environment) => T): T {
    try {
      return reader(this.environment);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const origin = this.#origins.get(error.variable ?? "");
      throw origin ? new ConfigError(`${origin}: ${error.message}`, error.variable) : error;
    }
  }

  /** Where a variable's value comes from, in brackets after it; nothing for the command's own. */
  explain(name: SettingName): string {
    const origin = this.#origins.get(name);
    if (origin !== undefined) return ` (${name} of ${origin})`;
    return this.environment[name] === undefined ? ` (the default: ${name} is not set)` : "";
  }
}

/**
 * Finds the settings of the agent that a command speaks for. The command's own environment comes
 * first, then the settings file of the installed agent, then the places of its files. An
 * environment with HAPGENT_STATE_FILE is that of an agent, and nothing is added to it. For a named
 * instance the environment does not count.
 *
 * @param root is put before the installation's paths, for tests.
 * @throws {ConfigError} when there is no such instance, or its settings cannot be read.
 */
export async function findSettings(
  env: Environment,
  instance?: string,
  root = "",
): Promise<Settings> {
  const own = Object.entries(env).map(([name, value]) => ({ name, value }));
  if (instance === undefined && env["HAPGENT_STATE_FILE"] !== undefined) return new Settings(own);
  if (instance !== undefined && !INSTANCE_NAME.test(instance)) {
    throw new ConfigError(`--instance: expected the name of an instance, got ${quote(instance)}`);
  }
  const installation = findInstallation(instance);
  const { settingsFile, directory, stateFile, controlSocket } = installation;
  const text = await readText(root + settingsFile);
  if (text === undefined && !(await isDirectory(root + directory))) {
    if (instance === undefined) return new Settings(own);
    throw new ConfigError(
      `no instance ${instance}: there is neither ${settingsFile} nor ${directory}`,
    );
  }
  const origin = "the installed agent";
  const assignments = [
    { name: "HAPGENT_STATE_FILE", value: stateFile, origin },
    { name: "HAPGENT_SOCKET", value: controlSocket, origin },
    ...parseSettings(text ?? "", settingsFile),
    ...(instance === undefined ? own : []),
  ];
  return new Settings(assignments, installation);
}

/**
 * What keeps the unit that we ship from saving a file, as far as this process can see: systemd
 * shows the agent its own directory, and those of a drop-in, to write to. Undefined where nothing
 * does.
 *
 * @param root is put before the paths, for tests.
 */
export async function findUnitLimit(
  { unit, directory }: Installation,
  file: string,
  root = "",
): Promise<string | undefined> {
  if (!file.startsWith("/") || !(await isDirectory(`${root}/run/systemd/system`))) return undefined;
  const allowed = [directory, ...(await listWritable(root, unit))];
  if (allowed.some((path) => file.startsWith(`${path}/`))) return undefined;
  // ProtectHome= and PrivateTmp=.
  const [place] = /^\/(home|root|run\/user|tmp|var\/tmp)(?=\/)/.exec(file) ?? [];
  const hidden = place && `the unit does not see ${place}: use another directory`;
  const parent = file.slice(0, file.lastIndexOf("/"));
  return hidden ?? `the unit cannot save it: add ReadWritePaths=${parent} (systemctl edit ${unit})`;
}

/** The paths that drop-ins of a unit open with ReadWritePaths= (systemd.exec(5)). */
async function listWritable(root: string, unit: string): Promise<string[]> {
  const texts: string[] = [];
  for (const name of new Set([unit, unit.replace(/@.*/, "@")])) {
    const directory = `${root}/etc/systemd/system/${name}.service.d`;
    // Most units have no drop-in.
    for (const file of await readdir(directory).catch(() => [])) {
      if (file.endsWith(".conf")) texts.push((await readText(`${directory}/${file}`)) ?? "");
    }
  }
  const values = texts.flatMap((text) => [...text.matchAll(/^ReadWritePaths=(.*)$/gm)]);
  const words = values.flatMap(([, value = ""]) => value.split(/\s+/));
  return words.map((word) => word.replaceAll(/^["'+-]+|[/"']+$/g, "")).filter(Boolean);
}

/**
 * The agent's variables in the text of a settings file: `NAME=value`, with quotes where the value
 * has blanks or special characters. systemd reads the file as EnvironmentFile=, the init script
 * with a shell: a line that the two read differently is refused. Nothing is executed or expanded;
 * other lines are ignored.
 *
 * @throws {ConfigError} naming file and line.
 */
export function parseSettings(text: string, file: string): Assignment[] {
  // systemd takes a carriage return for the end of a line, too.
  return text.split(/\r\n|[\r\n]/).flatMap((line, i) => {
    const [, before = "", name, assignment = ""] =
      /^\s*(export\s+)?(HAPGENT_\w+)(\s*=[\s\S]*)$/.exec(line) ?? [];
    if (name === undefined) return [];
    const origin = `${file}:${i + 1}`;
    const [, bare, single, double] = VALUE.exec(assignment.slice(1)) ?? [];
    const value = bare ?? single ?? double;
    if (value !== undefined && before === "" && assignment.startsWith("=")) {
      return [{ name, value, origin }];
    }
    const expected = "expected NAME=value, quoted where it has blanks";
    throw new ConfigError(`${origin}: ${expected}, got ${quote(line.trim())}`, name);
  });
}

/** The text of a file; undefined when there is none. */
async function readText(path: string): Promise<string | undefined> {
  try {
    return await Bun.file(path).text();
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return undefined;
    throw new ConfigError(`${path}: ${describeError(error)}`);
  }
}

async function isDirectory(path: string): Promise<boolean> {
  const stat = await Bun.file(path)
    .stat()
    .catch(() => undefined);
  return stat?.isDirectory() ?? false;
}
