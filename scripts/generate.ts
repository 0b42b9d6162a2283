// Writes what comes from one source: from src/spec.ts the man page, the completions and the tables of
// the README between their markers; the launchers as scripts/lib/launchers.ts says. A unit test
// compares all of them with what is committed.
import { readFileSync } from "node:fs";
import { version } from "../package.json";
import * as spec from "../src/spec.ts";
import { listUsages } from "../src/spec.ts";
import { formatLaunchers } from "./lib/launchers.ts";
import { ROOT } from "./lib/shell.ts";

type Row = readonly [term: string, meaning: string];

const { COMMANDS, CONTROL_COMMANDS, EXIT_CODES, SIGNALS, STATE_FIELDS, VARIABLES } = spec;

const STATUSES = STATE_FIELDS[0]?.meaning.match(/[A-Z]+/g) ?? [];

/** What may come first on a command line. */
const TOP = [...COMMANDS.map(({ name }) => name), "--help", "--version"].join(" ");

/** The tables of the README, by the name in their markers. */
const TABLES: Readonly<Record<string, () => string>> = {
  variables: () =>
    table(
      ["variable", "default", "meaning"],
      VARIABLES.map(({ name, fallback, meaning }) => [`\`${name}\``, code(fallback), meaning]),
    ),
  commands: () =>
    table(
      ["command", "what it does"],
      [
        ["`hapgent`", "run the agent"],
        ...COMMANDS.map((each) => [`\`${spec.formatUsage(each)}\``, each.meaning]),
      ],
    ),
  signals: () =>
    table(
      ["signal", "what it does"],
      SIGNALS.map(({ term, meaning }) => [term.replace(/\w+/g, "`$&`"), meaning]),
    ),
  "control commands": () =>
    table(
      ["command", "what it does"],
      CONTROL_COMMANDS.map(({ usage, meaning }) => [`\`${usage}\``, meaning]),
    ),
  "state fields": () =>
    table(
      ["field", "value"],
      STATE_FIELDS.map(({ term, meaning }) => [`\`${term}\``, meaning]),
    ),
  "exit codes": () =>
    table(
      ["exit code", "meaning"],
      EXIT_CODES.map(({ term, meaning }) => [term, meaning]),
    ),
};

/** What describes the command line: text by path. */
export const MANUALS: Readonly<Record<string, string>> = {
  "deploy/man/hapgent.8": formatManPage(),
  "deploy/completion/hapgent.bash": formatBash(),
  "deploy/completion/_hapgent": formatZsh(),
  "deploy/completion/hapgent.fish": formatFish(),
  "README.md": fillTables(await Bun.file(`${ROOT}README.md`).text()),
};

/** The generated files: text by path. */
export const GENERATED: Readonly<Record<string, string>> = {
  ...MANUALS,
  ...formatLaunchers((path) => readFileSync(ROOT + path, "utf8")),
};

if (import.meta.main) {
  for (const [path, text] of Object.entries(GENERATED)) await Bun.write(ROOT + path, text);
}

/** Puts each table between its markers, `<!-- table: NAME -->` and `<!-- end -->`. */
function fillTables(text: string): string {
  return text.replace(
    /(<!-- table: ([\w ]+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, start: string, name: string, end: string) => {
      const make = TABLES[name];
      if (!make) throw new Error(`expected a table of ${Object.keys(TABLES)}, got ${name}`);
      return `${start}\n${make()}\n${end}`;
    },
  );
}

/** A table in Markdown, in columns as the formatter writes them. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  const widths = head.map((_, i) => Math.max(...cells.map((row) => row[i]?.length ?? 0)));
  const lines = cells.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)));
  lines.splice(
    1,
    0,
    widths.map((width) => "-".repeat(width)),
  );
  return lines.map((line) => `| ${line.join(" | ")} |\n`).join("");
}

function code(fallback: string): string {
  return fallback === "none" ? fallback : `\`${fallback}\``;
}

function formatManPage(): string {
  const section = (title: string, rows: readonly Row[]) =>
    [
      `.SH ${title}`,
      ...rows.flatMap(([term, text]) => [".TP", `.B ${roff(term)}`, roff(text)]),
    ].join("\n");
  const entries = (rows: readonly spec.Entry[]) =>
    rows.map(({ term, meaning }): Row => [term, meaning]);
  return `${[
    `.TH HAPGENT 8 "" "hapgent ${version}" "System Administration"`,
    ".SH NAME",
    "hapgent \\- answers HAProxy's agent checks",
    ".SH SYNOPSIS",
    ...listUsages().flatMap((usage) => [`.B ${roff(usage)}`, ".br"]),
    ".SH DESCRIPTION",
    roff(
      "hapgent runs beside a service, holds the state of that service (a status, a weight, a maxconn) " +
        "and tells it, in one line over TCP, to every HAProxy that asks. Operators and deploy scripts " +
        "change the state with signals, by editing the state file, or through the control socket.",
    ),
    section("COMMANDS", [
      ["hapgent", "run the agent"],
      ...COMMANDS.map((each): Row => [spec.formatUsage(each), each.meaning]),
    ]),
    section(
      "OPTIONS",
      spec.listOptions().map((option): Row => [spec.formatOption(option), option.meaning]),
    ),
    section(
      "ENVIRONMENT",
      VARIABLES.map(({ name, fallback, meaning }): Row => {
        return [name, `${meaning.replaceAll("`", "")} (${fallback})`];
      }),
    ),
    section("STATE FILE", entries(STATE_FIELDS)),
    section("SIGNALS", entries(SIGNALS)),
    section(
      "CONTROL SOCKET",
      CONTROL_COMMANDS.map(({ usage, meaning }): Row => [usage, meaning]),
    ),
    section("EXIT STATUS", entries(EXIT_CODES)),
    ".SH SEE ALSO",
    ".BR haproxy (1)",
  ].join("\n")}\n`;
}

/** Text of a man page: hyphens that can be copied, and no line that roff takes for a request. */
function roff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^([.'])/, "\\&$1");
}

/** What the words of a control command may be: `verbs` come first, `nouns` after a verb. */
function controlWords() {
  const usages = CONTROL_COMMANDS.map(({ usage }) => usage.match(/^[a-z]+( [a-z]+)?/)?.[0] ?? "");
  const verbs = [...new Set(usages.map((usage) => usage.split(" ")[0] ?? ""))];
  const nouns = (verb: string) =>
    usages.flatMap((usage) => usage.match(new RegExp(`(?<=^${verb} )[a-z]+$`)) ?? []);
  return { verbs, nouns };
}

function optionsOf(name: string): string[] {
  const options = COMMANDS.find((command) => command.name === name)?.options ?? [];
  return options.map((option) => `--${option.name}`);
}

function formatBash(): string {
  const { verbs, nouns } = controlWords();
  const nounCases = verbs
    .filter((verb) => nouns(verb).length > 0)
    .map((verb) => `    "ctl ${verb}") words="${nouns(verb).join(" ")}" ;;`);
  return `# bash completion for hapgent

_hapgent() {
  local current=\${COMP_WORDS[COMP_CWORD]} words=
  case "\${COMP_WORDS[*]:1:COMP_CWORD-1}" in
    "") words="${TOP}" ;;
    check*) words="${optionsOf("check").join(" ")} $(compgen -f -- "$current")" ;;
    status*) words="${optionsOf("status").join(" ")}" ;;
    ctl) words="${verbs.join(" ")}" ;;
${nounCases.join("\n")}
    "ctl set status") words="${STATUSES.join(" ")}" ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _hapgent hapgent
`;
}

function formatZsh(): string {
  const { verbs, nouns } = controlWords();
  const nounCases = verbs
    .filter((verb) => nouns(verb).length > 0)
    .map((verb) => `    "ctl ${verb}") compadd -- ${nouns(verb).join(" ")} ;;`);
  return `#compdef hapgent
# zsh completion for hapgent

_hapgent() {
  case "\${words[2,CURRENT-1]}" in
    "") compadd -- ${TOP} ;;
    check*) compadd -- ${optionsOf("check").join(" ")}; _files ;;
    status*) compadd -- ${optionsOf("status").join(" ")} ;;
    ctl) compadd -- ${verbs.join(" ")} ;;
${nounCases.join("\n")}
    "ctl set status") compadd -- ${STATUSES.join(" ")} ;;
  esac
}

if [ "$funcstack[1]" = _hapgent ]; then _hapgent "$@"; else compdef _hapgent hapgent; fi
`;
}

function formatFish(): string {
  const { verbs, nouns } = controlWords();
  const offer = (when: string, what: string) => `complete -c hapgent -f -n '${when}' -a '${what}'`;
  const after = (words: string) => `test (string join " " (commandline -opc)[2..]) = "${words}"`;
  return `${[
    "# fish completion for hapgent",
    offer("__fish_is_first_arg", TOP),
    ...COMMANDS.flatMap(({ name, options = [] }) =>
      options.map(
        (option) =>
          `complete -c hapgent -n '__fish_seen_subcommand_from ${name}' -l ${option.name}${option.value ? " -r" : ""} -d '${option.meaning}'`,
      ),
    ),
    "complete -c hapgent -F -n '__fish_seen_subcommand_from check'",
    offer(after("ctl"), verbs.join(" ")),
    ...verbs
      .filter((verb) => nouns(verb).length > 0)
      .map((verb) => offer(after(`ctl ${verb}`), nouns(verb).join(" "))),
    offer(after("ctl set status"), STATUSES.join(" ")),
  ].join("\n")}\n`;
}
