// Modules that the agent shares with only some of the commands. The bundler makes one output module
// of all that the same entries load, and each output module costs an idle agent 12 KB. Loaded here,
// everything that is shared goes into a single one.
import "../address.ts";
import "../log.ts";
import "../question.ts";
import "../state/file.ts";
import "../state/reply.ts";
import { version } from "../../package.json";
import { ConfigError, type Environment } from "../config.ts";
import { EXIT, UsageError } from "../exit.ts";
import { COMMANDS } from "../spec.ts";
import { findNearest, quote, suggest } from "../text.ts";
import { type Arguments, parseArguments } from "./arguments.ts";

/**
 * The commit that this executable was built from; the build defines it, `bun src/main.ts` does not.
 */
declare const HAPGENT_COMMIT: string | undefined;

/** Runs a command and returns its exit code. */
type Run = (args: Arguments, env: Environment) => Promise<number>;

/** Each command's module is loaded only when it runs. */
const RUNS: Readonly<Record<string, () => Promise<Run>>> = {
  check: async () => (await import("./check.ts")).runCheck,
  status: async () => (await import("./status.ts")).runStatus,
  ctl: async () => (await import("./ctl.ts")).runCtl,
  deploy: async () => (await import("./deploy.ts")).runDeploy,
};

/**
 * Runs the command that the command line names, and returns its exit code. A user's mistake is one
 * line and exit code 2; an unexpected error keeps its stack.
 */
export async function runCommand(args: readonly string[], env: Environment): Promise<number> {
  try {
    return await dispatch(args, env);
  } catch (error) {
    if (error instanceof ConfigError || error instanceof UsageError) {
      console.error(`hapgent: ${error.message}`);
      // A deploy's mistakes are one line each, in the logs of whatever runs it.
      if (error instanceof ConfigError || args[0] === "deploy") return EXIT.usage;
      console.error((await import("./help.ts")).formatSynopsis());
      return EXIT.usage;
    }
    console.error("hapgent: unexpected error, please report it:", error);
    return EXIT.failure;
  }
}

async function dispatch(args: readonly string[], env: Environment): Promise<number> {
  const [name = "", ...rest] = args;
  if (name === "--help" || name === "-h") return await printHelp();
  if (name === "help") return await printHelp(rest);
  if ((name === "--version" || name === "-V") && rest.length === 0) {
    const commit = typeof HAPGENT_COMMIT === "string" ? HAPGENT_COMMIT : "from source";
    console.log(`hapgent ${version} (${commit})`);
    return EXIT.ok;
  }
  const command = COMMANDS.find((each) => each.name === name);
  const load = RUNS[name];
  if (!command || !load) throw refuse(name, args);
  (await import("./signals.ts")).outliveSignals(name);
  const parsed = parseArguments(command, rest);
  if (parsed.flags.has("help")) return await printHelp([name]);
  return await (await load())(parsed, env);
}

async function printHelp(args: readonly string[] = []): Promise<number> {
  const [name, extra] = args;
  const command = COMMANDS.find((each) => each.name === name);
  if (extra !== undefined || (name !== undefined && !command)) throw refuse(name, args);
  console.log((await import("./help.ts")).formatHelp(command));
  return EXIT.ok;
}

/** The error for an unknown command: it names the nearest one; the usage then lists them all. */
function refuse(name = "", args: readonly string[] = []): UsageError {
  const names = [...COMMANDS.map((command) => command.name), "--help", "--version"];
  const nearest = findNearest(name, names);
  const hint = suggest(nearest === name ? undefined : nearest);
  const got = quote(args.join(" "));
  return new UsageError(`expected a command, --help, --version or nothing, got ${got}${hint}`);
}
