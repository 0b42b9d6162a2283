import {
  COMMANDS,
  CONTROL_COMMANDS,
  type Command,
  EXIT_CODES,
  formatOption,
  formatUsage,
  listOptions,
  listUsages,
  SIGNALS,
  STATE_FIELDS,
  VARIABLES,
} from "../spec.ts";

type Row = readonly [term: string, meaning: string];

/** What `--help` prints; with a command, the part that is about it. */
export function formatHelp(command?: Command): string {
  if (command) {
    const options = (command.options ?? []).map(
      (option): Row => [formatOption(option), option.meaning],
    );
    const sections = [`${formatUsage(command)}\n\n  ${command.meaning}`];
    if (options.length > 0) sections.push(formatSection("Options", options));
    if (command.name === "ctl") sections.push(formatSection("Commands", controlRows()));
    return sections.join("\n\n");
  }
  const usages: Row[] = [
    ["hapgent", "run the agent"],
    ...COMMANDS.map((each): Row => [formatUsage(each), each.meaning]),
    ["hapgent --help | --version", "print this help, or the version"],
  ];
  const variables = VARIABLES.map(
    ({ name, fallback, meaning }): Row => [name, `${meaning.replaceAll("`", "")} (${fallback})`],
  );
  return [
    "hapgent answers HAProxy's agent checks with the state of the service beside it.",
    `Usage\n${usages.map(formatWide).join("\n")}`,
    formatSection(
      "Options",
      listOptions().map((option): Row => [formatOption(option), option.meaning]),
    ),
    `Environment\n${variables.map(formatWide).join("\n")}`,
    formatSection("State file, JSON", rowsOf(STATE_FIELDS)),
    formatSection("Signals", rowsOf(SIGNALS)),
    formatSection("Commands of ctl and the control socket", controlRows()),
    formatSection("Exit codes", rowsOf(EXIT_CODES)),
  ].join("\n\n");
}

/** What follows an error about the command line. */
export function formatSynopsis(): string {
  return `usage: ${listUsages().join("\n       ")}`;
}

function controlRows(): Row[] {
  return CONTROL_COMMANDS.map(({ usage, meaning }): Row => [usage, meaning]);
}

function rowsOf(entries: readonly { term: string; meaning: string }[]): Row[] {
  return entries.map(({ term, meaning }): Row => [term, meaning]);
}

function formatWide([term, meaning]: Row): string {
  return `  ${term}\n      ${meaning}`;
}

function formatSection(title: string, rows: readonly Row[]): string {
  const width = Math.max(...rows.map(([term]) => term.length));
  const lines = rows.map(([term, meaning]) => `  ${term.padEnd(width)}  ${meaning}`);
  return `${title}\n${lines.join("\n")}`;
}
