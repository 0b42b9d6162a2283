// The man page, from src/spec.ts.
import { version } from "../../package.json";
import { findInstallation } from "../../src/commands/installation.ts";
import * as spec from "../../src/spec.ts";

type Row = readonly [term: string, meaning: string];

const DESCRIPTION =
  "hapgent runs beside a service, holds the state of that service (a status, a weight, a maxconn) " +
  "and reports it, in one line over TCP, to every HAProxy that asks. Operators and deploy scripts " +
  "change the state with signals, by editing the state file, or through the control socket.";

const SETTINGS =
  "The agent itself takes its settings from these variables only. The commands check, status and " +
  "ctl take their own environment first, then the settings file of the installed agent, then the " +
  "places that FILES names. An environment with HAPGENT_STATE_FILE is that of an agent: nothing " +
  "is added to it.";

const COPYRIGHT =
  "hapgent is under the MIT license. Its executable holds the Bun runtime and libraries under other " +
  "licenses, the LGPL among them. THIRD_PARTY_NOTICES, in /usr/share/doc/hapgent or " +
  "/usr/local/share/doc/hapgent and beside the source, has their texts, and says where their source " +
  "is and how to relink them.";

/** The man page of this version; its date is that of the version in the text of the changelog. */
export function formatManPage(changelog: string): string {
  const { COMMANDS, CONTROL_COMMANDS, EXAMPLES, EXIT_CODES, SIGNALS, STATE_FIELDS, VARIABLES } =
    spec;
  const date = findDate(changelog);
  return `${[
    `.TH HAPGENT 8 "${date}" "hapgent ${version}" "System Administration"`,
    ".SH NAME",
    "hapgent \\- answers HAProxy's agent checks",
    ".SH SYNOPSIS",
    ...spec.listUsages().flatMap((usage, i) => [...(i > 0 ? [".br"] : []), `.B ${roff(usage)}`]),
    ".SH DESCRIPTION",
    roff(DESCRIPTION),
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
    ".PP",
    roff(SETTINGS),
    section("STATE FILE", entries(STATE_FIELDS)),
    section("SIGNALS", entries(SIGNALS)),
    section(
      "CONTROL SOCKET",
      CONTROL_COMMANDS.map(({ usage, meaning }): Row => [usage, meaning]),
    ),
    section("FILES", listFiles()),
    section("EXIT STATUS", entries(EXIT_CODES)),
    section("EXAMPLES", entries(EXAMPLES)),
    ".SH COPYRIGHT",
    roff(COPYRIGHT),
    ".SH SEE ALSO",
    ".BR hapgent\\-deploy (8),",
    ".BR hapgent\\-load (8),",
    ".BR haproxy (1)",
  ].join("\n")}\n`;
}

/** The day of this version's release, `2026-11-22`, or of the one before while it has none yet. */
function findDate(changelog: string): string {
  const headings = changelog.split("\n").filter((line) => line.startsWith("## ["));
  const own = headings.find((line) => line.startsWith(`## [${version}]`));
  return /\d{4}-\d{2}-\d{2}/.exec(own ?? headings.join(" "))?.[0] ?? "";
}

function listFiles(): Row[] {
  const agent = findInstallation();
  const instance = findInstallation("NAME");
  return [
    [agent.settingsFile, "settings of the installed agent, the variables above, one a line"],
    [agent.stateFile, "its state"],
    [agent.controlSocket, "its control socket"],
    [instance.settingsFile, "settings of the instance NAME, started as hapgent@NAME"],
    [instance.stateFile, "the state of that instance"],
    [instance.controlSocket, "its control socket"],
  ];
}

function section(title: string, rows: readonly Row[]): string {
  return [
    `.SH ${title}`,
    ...rows.flatMap(([term, text]) => [".TP", `.B ${roff(term)}`, roff(text)]),
  ].join("\n");
}

function entries(rows: readonly spec.Entry[]): Row[] {
  return rows.map(({ term, meaning }) => [term, meaning]);
}

/**
 * Text of a man page: hyphens that can be copied, quotes that are printed in the arguments of a
 * request too, and no line that roff takes for a request.
 */
function roff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll('"', "\\(dq")
    .replace(/^([.'])/, "\\&$1");
}
