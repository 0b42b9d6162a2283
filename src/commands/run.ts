import { version } from "../../package.json";
import { describeError } from "../errors.ts";
import { EXIT, UsageError } from "../exit.ts";
import { ConfigError, type Environment } from "../settings.ts";
import { COMMANDS, type CommandName, formatUsage, listUsages } from "../spec.ts";
import { type Arguments, parseArguments } from "./arguments.ts";
import { runCtl } from "./ctl.ts";
import { formatCommandHelp, refuseCommand, runHelp } from "./help.ts";
import { runLint } from "./lint.ts";
import { runStatus } from "./status.ts";

/**
 * The commit that this executable was built from; the build defines it, `bun src/main.ts` does not.
 */
declare const HAPGENT_COMMIT: string | undefined;

/** Runs a command and returns its exit code. */
type Run = (args: Arguments, env: Environment) => Promise<number>;

const RUNS: Readonly<Record<CommandName, Run>> = {
  check: runLint,
  status: runStatus,
  ctl: runCtl,
  // As large as the others together, and loaded only when it runs.
  deploy: async (args, env) => await (await import("./deploy.ts")).runDeploy(args, env),
  help: runHelp,
};

/**
 * Runs the command that the command line names, and returns its exit code. A user's mistake is one
 * line, the usage and exit code 2; an unexpected error keeps its stack.
 */
export async function runCommand(args: readonly string[], env: Environment): Promise<number> {
  try {
    return await dispatch(args, env);
  } catch (error) {
    if (isProbe(args)) {
      console.log(`UNKNOWN: ${describeError(error)}`);
      return EXIT.unknown;
    }
    const isMistake = error instanceof ConfigError || error instanceof UsageError;
    if (isMistake) console.error(`hapgent: ${error.message}`);
    else console.error("hapgent: unexpected error, please report it:", error);
    // A deploy's mistake is one line, in the log of whatever calls it.
    const isOneLine = args[0] === "deploy" && args.length > 1;
    if (error instanceof UsageError && !isOneLine) console.error(formatUsageOf(args));
    return isMistake ? EXIT.usage : EXIT.failure;
  }
}

async function dispatch(args: readonly string[], env: Environment): Promise<number> {
  const [word = "", ...rest] = args;
  if ((word === "--version" || word === "-V") && rest.length === 0) {
    const commit = typeof HAPGENT_COMMIT === "string" ? HAPGENT_COMMIT : "from source";
    console.log(`hapgent ${version} (${commit})`);
    return EXIT.ok;
  }
  const name = word === "--help" || word === "-h" ? "help" : word;
  const command = COMMANDS.find((each) => each.name === name);
  if (!command) throw refuseCommand(args.join(" "));
  const parsed = parseArguments(command, rest);
  if (parsed.flags.has("help")) return await runHelp({ ...parsed, operands: [name] });
  return await RUNS[command.name](parsed, env);
}

/** Whether a monitor calls: it reads the exit codes of Nagios, and stdout alone. */
function isProbe([name, ...rest]: readonly string[]): boolean {
  return name === "status" && rest.some((arg) => /^--expect(=|$)/.test(arg));
}

/** The usage of the command that was called wrongly; its whole help when it was called alone. */
function formatUsageOf([name, ...rest]: readonly string[]): string {
  const command = COMMANDS.find((each) => each.name === name && name !== "help");
  if (command && rest.length === 0) return `usage: ${formatCommandHelp(command)}`;
  const usages = command ? [formatUsage(command)] : listUsages().map(({ term }) => term);
  return `usage: ${usages.join("\n       ")}`;
}
