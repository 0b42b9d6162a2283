// Loaded when a line is no command, or somebody asks for help: the agent needs it for nothing else.
import { CONTROL_COMMANDS } from "../spec.ts";
import { findNearest, quote } from "../text.ts";

/** How much of a line an error shows, in characters. */
const SHOWN = 60;

/** The error for a line that is no command: the nearest one, then all that was expected. */
export function refuse(line: string): string {
  const got = quote(line.slice(0, SHOWN));
  const [verb = "", noun = ""] = line
    .trim()
    .replace(/^@\S*\s*/, "")
    .split(/\s+/);
  const commands = CONTROL_COMMANDS.map(({ usage }) => ({ usage, name: readName(usage) }));
  const called = commands.filter(({ name }) => name === verb || name === `${verb} ${noun}`);
  const alike = commands.filter(({ name }) => name.split(" ")[0] === verb);
  const meant = called.length > 0 ? called : alike;
  const expected = list(meant.length > 0 ? meant : commands);
  const names = commands.map(({ name }) => name);
  const nearest = findNearest(`${verb} ${noun}`, names) ?? findNearest(verb, names);
  if (called.length > 0 || nearest === undefined) return `error: expected ${expected}, got ${got}`;
  return `error: no such command: ${got}; did you mean ${nearest}? Expected ${expected}`;
}

/** The commands as the help describes them. */
export function listCommands(): string {
  return list(CONTROL_COMMANDS);
}

function list(commands: readonly { usage: string }[]): string {
  return commands.map(({ usage }) => usage).join(" | ");
}

/** The words of a command, without what it takes. */
function readName(usage: string): string {
  return /^[a-z]+( [a-z]+)?/.exec(usage)?.[0] ?? usage;
}
