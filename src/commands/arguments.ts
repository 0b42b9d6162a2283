import { parseArgs } from "node:util";
import { UsageError } from "../exit.ts";
import type { Command } from "../spec.ts";
import { findNearest, quote, suggest } from "../text.ts";

/** What a command line says: the options' values, and the operands. */
export interface Arguments {
  readonly values: Readonly<Record<string, string | undefined>>;
  readonly flags: ReadonlySet<string>;
  readonly operands: readonly string[];
}

/**
 * Parses a command's arguments by its description.
 *
 * @throws {UsageError} when an option is unknown, lacks its value or has one that it does not take.
 */
export function parseArguments(command: Command, args: readonly string[]): Arguments {
  const options = Object.fromEntries(
    (command.options ?? []).map(({ name, value }) => [
      name,
      { type: value ? ("string" as const) : ("boolean" as const) },
    ]),
  );
  const end = command.isVerbatim ? countLeadingOptions(command, args) : args.length;
  const verbatim = args.slice(end);
  if (args[end - 1] !== "--" && !command.runsCommand) refuseOptions(command, verbatim);
  const help = { help: { type: "boolean", short: "h" } } as const;
  try {
    const { values, positionals } = parseArgs({
      args: args.slice(0, end),
      options: { ...options, ...help },
      allowPositionals: true,
    });
    const entries = Object.entries(values);
    return {
      values: Object.fromEntries(
        entries.flatMap(([name, value]) => (typeof value === "string" ? [[name, value]] : [])),
      ),
      flags: new Set(entries.flatMap(([name, value]) => (value === true ? [name] : []))),
      operands: [...positionals, ...verbatim],
    };
  } catch (error) {
    // The parser goes on with advice that does not fit.
    const [line = ""] = String(error instanceof Error ? error.message : error).split(/\.\s/);
    const [, unknown = ""] = /^Unknown option '--([^']+)'/.exec(line) ?? [];
    const nearest = findNearest(unknown, Object.keys(options));
    const hint = suggest(nearest && `--${nearest}`);
    throw new UsageError(`${command.name}: ${line}${hint}`);
  }
}

/** Refuses an option among the words of a control command: it may be meant for `ctl` itself. */
function refuseOptions({ name }: Command, words: readonly string[]): void {
  const option = words.find((word) => /^--?[a-z]/i.test(word));
  if (option === undefined) return;
  throw new UsageError(
    `${name}: options go before the command, got ${quote(option)} in it (after -- it is a word)`,
  );
}

/** How many arguments come before the first operand; the service, `@web`, may be among them. */
function countLeadingOptions({ options = [] }: Command, args: readonly string[]): number {
  let count = 0;
  let isNamed = false;
  for (let arg = args[0]; arg !== undefined; arg = args[count]) {
    if (arg === "--") return count + 1;
    const isService: boolean = arg.startsWith("@") && !isNamed;
    if (!isService && !arg.startsWith("-")) return count;
    isNamed ||= isService;
    const takesNext = options.some(({ name, value }) => value && arg === `--${name}`);
    count += takesNext ? 2 : 1;
  }
  return Math.min(count, args.length);
}
