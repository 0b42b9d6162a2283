import { findControls, listControls } from "../controls.ts";
import { EXIT, UsageError } from "../exit.ts";
import { listVariables } from "../settings.ts";
import {
  COMMANDS,
  type Command,
  type Entry,
  EXIT_CODES,
  formatUsage,
  listOptions,
  listUsages,
  SIGNALS,
  STATE_FIELDS,
} from "../spec.ts";
import { findNearest, quote, suggest } from "../text.ts";
import type { Arguments } from "./arguments.ts";

/** The control commands that `hapgent ctl` sends. */
export const CTL_COMMANDS = listControls().filter(({ staysOpen }) => !staysOpen);

/** `hapgent help [COMMAND]`: the help, or the part about a command or a control command. */
export async function runHelp({ operands }: Arguments): Promise<number> {
  const name = operands.join(" ");
  const command = COMMANDS.find((each) => each.name === name);
  const controls = findControls(name).map(({ term, meaning, staysOpen }) => {
    return `${staysOpen ? "" : "hapgent ctl "}[@SERVICE] ${term}\n\n  ${meaning}`;
  });
  if (command) console.log(formatCommandHelp(command));
  else if (name === "") console.log(formatHelp());
  else if (controls.length > 0) console.log(controls.join("\n\n"));
  else throw refuseCommand(name, [...COMMANDS, ...listControls()]);
  return EXIT.ok;
}

/** The error for an unknown command: it names the nearest one; the usage then lists them all. */
export function refuseCommand(
  text: string,
  known: readonly { readonly name: string }[] = COMMANDS,
): UsageError {
  const [word = ""] = text.split(" ");
  const names = [...known.map(({ name }) => name), "--help", "--version"];
  const nearest =
    findControls(word, CTL_COMMANDS).length > 0 ? `ctl ${word}` : findNearest(word, names);
  const hint = suggest(nearest === word ? undefined : nearest);
  const got = quote(text);
  return new UsageError(`expected a command, --help, --version or nothing, got ${got}${hint}`);
}

/** The variables with their defaults, without the marks of Markdown. */
export function listEnvironment(): Entry[] {
  return listVariables().map(({ term, meaning, fallback }) => {
    return { term, meaning: `${meaning.replaceAll("`", "")} (${fallback})` };
  });
}

/** What `--help` prints. */
function formatHelp(): string {
  return [
    "hapgent answers HAProxy's agent checks with the state of the service beside it.",
    formatWide("Usage", listUsages()),
    formatSection("Options", listOptions(COMMANDS)),
    formatWide("Environment", listEnvironment()),
    formatSection("State file, JSON", STATE_FIELDS),
    formatSection("Signals", SIGNALS),
    formatWide("Commands of the control socket; ctl sends all but hold", listControls()),
    formatSection("Exit codes", EXIT_CODES),
  ].join("\n\n");
}

/** What `hapgent COMMAND --help` prints. */
export function formatCommandHelp(command: Command): string {
  const sections = [`${formatUsage(command)}\n\n  ${command.meaning}`];
  if (command.options) sections.push(formatSection("Options", listOptions([command])));
  if (command.name === "ctl") sections.push(formatWide("Commands", CTL_COMMANDS));
  return sections.join("\n\n");
}

/** Terms with their meanings below them, for terms that are long. */
function formatWide(title: string, entries: readonly Entry[]): string {
  const lines = entries.map(({ term, meaning }) => `  ${term}\n      ${meaning}`);
  return `${title}\n${lines.join("\n")}`;
}

/** Terms with their meanings beside them. */
function formatSection(title: string, entries: readonly Entry[]): string {
  const width = Math.max(...entries.map(({ term }) => term.length));
  const lines = entries.map(({ term, meaning }) => `  ${term.padEnd(width)}  ${meaning}`);
  return `${title}\n${lines.join("\n")}`;
}
