// Writes the man page and the bash completion from src/usage.ts, the one place that describes the
// command line: deploy/man/hapgent.8 and deploy/completion/hapgent.bash. A unit test compares them.
import { version } from "../package.json";
import {
  COMMANDS,
  EXIT_CODES,
  OPTIONS,
  RUNTIME_COMMANDS,
  SIGNALS,
  STATE_FIELDS,
  VARIABLES,
} from "../src/usage.ts";
import { ROOT } from "./lib/shell.ts";

/** The generated files: text by path. */
export const MANUALS: Readonly<Record<string, string>> = {
  "deploy/man/hapgent.8": formatManPage(),
  "deploy/completion/hapgent.bash": formatCompletion(),
};

if (import.meta.main) {
  for (const [path, text] of Object.entries(MANUALS)) await Bun.write(ROOT + path, text);
}

function formatManPage(): string {
  const section = (title: string, rows: readonly (readonly [string, string])[]) =>
    [
      `.SH ${title}`,
      ...rows.flatMap(([term, text]) => [".TP", `.B ${roff(term)}`, roff(text)]),
    ].join("\n");
  return `${[
    `.TH HAPGENT 8 "" "hapgent ${version}" "System Administration"`,
    ".SH NAME",
    "hapgent \\- answers HAProxy's agent checks",
    ".SH SYNOPSIS",
    ...COMMANDS.flatMap(([term]) => [`.B ${roff(term)}`, ".br"]),
    ".SH DESCRIPTION",
    roff(
      "hapgent runs beside a service, holds the state of that service (a status, a weight, a maxconn) " +
        "and tells it, in one line over TCP, to every HAProxy that asks. Operators and deploy scripts " +
        "change the state with signals, by editing the state file, or through the runtime socket.",
    ),
    section("COMMANDS", COMMANDS),
    section("OPTIONS", OPTIONS),
    section("ENVIRONMENT", VARIABLES),
    section("STATE FILE", STATE_FIELDS),
    section("SIGNALS", SIGNALS),
    section("RUNTIME SOCKET", RUNTIME_COMMANDS),
    section("EXIT STATUS", EXIT_CODES),
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

function formatCompletion(): string {
  const words = (rows: readonly (readonly [string, string])[]) =>
    [...new Set(rows.flatMap(([term]) => term.match(/(?<=^|, )[a-z]+/g) ?? []))].join(" ");
  const nouns = (verb: string) =>
    RUNTIME_COMMANDS.flatMap(([term]) => term.match(new RegExp(`(?<=${verb} )[a-z]+`, "g")) ?? []);
  const statuses = STATE_FIELDS[0]?.[1].match(/[A-Z]+/g)?.join(" ");
  const options = (command: string) => {
    const line = COMMANDS.find(([term]) => term.startsWith(`hapgent ${command}`))?.[0] ?? "";
    return (line.match(/--[a-z]+/g) ?? []).join(" ");
  };
  return `# bash completion for hapgent

_hapgent() {
  local current=\${COMP_WORDS[COMP_CWORD]} words=
  case "\${COMP_WORDS[*]:1:COMP_CWORD-1}" in
    "") words="check status ctl --help --version" ;;
    check*) words="${options("check")} $(compgen -f -- "$current")" ;;
    status*) words="${options("status")}" ;;
    ctl) words="${words(RUNTIME_COMMANDS)}" ;;
    "ctl show") words="${nouns("show").join(" ")}" ;;
    "ctl set") words="${[...new Set(nouns("set"))].join(" ")}" ;;
    "ctl set status") words="${statuses}" ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _hapgent hapgent
`;
}
