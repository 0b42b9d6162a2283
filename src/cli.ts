import { version } from "../package.json";
import type { Environment } from "./config.ts";

/**
 * The commit that this executable was built from; the build defines it, `bun src/main.ts` does not.
 */
declare const HAPGENT_COMMIT: string | undefined;

/** Exit codes of the program, all of them. */
export const EXIT = {
  /** Stopped by a signal; did what was asked. */
  ok: 0,
  /**
   * The address cannot be bound; the file is invalid, no well-formed reply, a command was refused.
   */
  failure: 1,
  /** A wrong argument or environment variable. */
  usage: 2,
} as const;

export const VERSION = version;

/** A command line that is none of ours. */
export class UsageError extends Error {}

/** What is wrong with a command's arguments, in one line: `parseArgs` goes on with advice. */
export function usageError(command: string, error: unknown): UsageError {
  const [line] = String(error instanceof Error ? error.message : error).split(/\.\s/);
  return new UsageError(`${command}: ${line}`);
}

/**
 * Runs the command that the command line names, and returns its exit code. Each command's modules
 * are loaded only when it runs; without arguments there is no command, but the agent.
 */
export async function runCommand(args: readonly string[], env: Environment): Promise<number> {
  const [command = "", ...rest] = args;
  try {
    if (args.includes("--help") || args.includes("-h")) {
      console.log((await import("./usage.ts")).formatHelp());
      return EXIT.ok;
    }
    if (command === "ctl") return await (await import("./ctl.ts")).control(rest, env);
    if (command === "check") return await (await import("./check.ts")).check(rest, env);
    if (command === "status") return await (await import("./status.ts")).status(rest, env);
    if ((command === "--version" || command === "-V") && rest.length === 0) {
      const commit = typeof HAPGENT_COMMIT === "string" ? HAPGENT_COMMIT : "from source";
      console.log(`hapgent ${VERSION} (${commit})`);
      return EXIT.ok;
    }
    const got = JSON.stringify(args.join(" "));
    throw new UsageError(`expected a command, --help, --version or nothing, got ${got}`);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    console.error(`hapgent: ${error.message}`);
    if (error instanceof UsageError) console.error((await import("./usage.ts")).formatSynopsis());
    return EXIT.usage;
  }
}
