import { UsageError } from "../exit.ts";
import type { Command, Option } from "../spec.ts";
import { findNearest, quote, suggest } from "../text.ts";

/** What a command line says: the options' values, and the operands. */
export interface Arguments {
  readonly values: Readonly<Record<string, string | undefined>>;
  readonly flags: ReadonlySet<string>;
  readonly operands: readonly string[];
}

/** What every command takes; `-h` is short for it. */
const HELP: Option = { name: "help", term: "--help", meaning: "print the help" };

/**
 * Parses a command's arguments by its description.
 *
 * @throws {UsageError} when an option is unknown, lacks its value or has one that it does not take.
 */
export function parseArguments(command: Command, args: readonly string[]): Arguments {
  const values: Record<string, string> = {};
  const flags = new Set<string>();
  const operands: string[] = [];
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === "--") operands.push(...rest.splice(0));
    else if (isOption(arg)) {
      const { option, value } = readOption(command, arg, rest);
      if (value === undefined) flags.add(option.name);
      else values[option.name] = value;
    } else {
      operands.push(arg);
      const isService = operands.length === 1 && arg.startsWith("@");
      if (!command.endsIn || isService) continue;
      if (command.endsIn === "control command") refuseOption(command, rest);
      operands.push(...rest.splice(0));
    }
  }
  return { values, flags, operands };
}

/** Refuses an option in a control command: it may be meant for `ctl` itself. */
function refuseOption({ name }: Command, words: readonly string[]): void {
  const option = words.find((word) => /^--?[a-z]/i.test(word));
  if (option === undefined) return;
  const got = `${quote(option)} in it (-- before the command makes it a word)`;
  throw new UsageError(`${name}: options go before the command, got ${got}`);
}

/** Reads an option, and takes its value from the words after it where it needs to. */
function readOption(command: Command, arg: string, rest: string[]) {
  const { name, options = [] } = command;
  const [, word = "", given] = /^([^=]+)(?:=(.*))?$/s.exec(arg === "-h" ? "--help" : arg) ?? [];
  const option = [...options, HELP].find((each) => word === `--${each.name}`);
  if (!option) {
    const names = options.map((each) => each.name);
    const nearest = findNearest(word.replace(/^-+/, ""), names);
    const hint = suggest(nearest && `--${nearest}`);
    throw new UsageError(`${name}: unknown option ${quote(word)}${hint}`);
  }
  const takesNext = option.value !== undefined && given === undefined && isValue(rest[0]);
  const value = takesNext ? rest.shift() : given;
  if ((value === undefined) === (option.value === undefined)) return { option, value };
  const came = given === undefined ? [arg, ...rest.slice(0, 1)].join(" ") : arg;
  throw new UsageError(`${name}: expected ${option.term}, got ${quote(came)}`);
}

function isOption(word: string): boolean {
  return word.length > 1 && word.startsWith("-");
}

/** Whether a word may be an option's value: a number below 0 is one, and wrong. */
function isValue(word: string | undefined): boolean {
  return word !== undefined && (!isOption(word) || /^-[\d.]/.test(word));
}
