// The programs that a deploy runs: as whoever called it would.
import { realpathSync, statSync } from "node:fs";
import { codeOf } from "../errors.ts";
import { listIgnored } from "./signals.ts";

/** Where programs run, and with which environment. */
export interface Place {
  readonly directory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * The caller's place. The directory has the name that the shell has for it: after a deploy a link in
 * it may lead elsewhere.
 */
export function findPlace(env: Place["env"]): Place {
  const directory = process.cwd();
  const name = env["PWD"];
  try {
    if (name?.startsWith("/") && realpathSync(name) === directory) return { directory: name, env };
  } catch {
    // There is no such directory.
  }
  return { directory, env };
}

/** The path of a program, or null. */
export function findProgram(name: string, { directory, env }: Place): string | null {
  return Bun.which(name, { PATH: env["PATH"] ?? "", cwd: directory });
}

/**
 * Starts a command line. The runtime resets the signals of what it starts; a shell has those
 * ignored again that the caller has (nohup, a job in the background). A script that does not say
 * what runs it is run by a shell, too.
 */
export function startCommand(
  [name = "", ...rest]: readonly string[],
  place: Place,
): Bun.Subprocess {
  const program = findProgram(name, place) ?? name;
  const ignored = listIgnored().join(" ");
  const traps = ignored && `trap '' ${ignored}; `;
  const shell = ["/bin/sh", "-c", `${traps}exec "$@"`, "sh", program, ...rest];
  const { directory: cwd, env } = place;
  const options = { cwd, env, stdin: "inherit", stdout: "inherit", stderr: "inherit" } as const;
  if (traps) return Bun.spawn(shell, options);
  try {
    return Bun.spawn([program, ...rest], { ...options, argv0: name });
  } catch (error) {
    if (codeOf(error) !== "ENOEXEC") throw error;
    return Bun.spawn(shell, options);
  }
}

/**
 * Starts a shell command, in the directory that now has that name, if there is one: a deploy may
 * have made it anew.
 */
export function startShell(command: string, { directory, env }: Place, limit: number) {
  const isThere = statSync(directory, { throwIfNoEntry: false })?.isDirectory() ?? false;
  return Bun.spawn(["/bin/sh", "-c", command], {
    cwd: isThere ? directory : "/",
    env,
    stdio: ["ignore", "ignore", "inherit"],
    timeout: limit,
    killSignal: "SIGKILL",
  });
}
