// The man page, from the tables of src.
import { version } from "../../package.json";
import { listEnvironment } from "../../src/commands/help.ts";
import { findInstallation } from "../../src/commands/installation.ts";
import { listControls } from "../../src/controls.ts";
import * as spec from "../../src/spec.ts";

const DESCRIPTION =
  "hapgent runs beside a service, holds the state of that service (a status, a weight, a maxconn) " +
  "and reports it, in one line over TCP, to every HAProxy that asks. Operators and deploy scripts " +
  "change the state with signals, by editing the state file, or through the control socket.";

const SETTINGS =
  "The agent itself takes its settings from these variables only. The commands check, status, " +
  "ctl and deploy take their own environment first (not with --instance), then the settings file " +
  "of the installed agent, then the places that FILES names. An environment with HAPGENT_STATE_FILE is that of an agent: nothing " +
  "is added to it. HAPGENT_DEPLOY_WAIT, HAPGENT_DEPLOY_ANSWER and HAPGENT_DEPLOY_SETTLE are the " +
  "options --wait, --answer and --settle of every deploy that has them in its own environment.";

const EXAMPLES: Readonly<Record<string, string>> = {
  "hapgent status": "what does HAProxy hear?",
  "hapgent status --expect UP,READY": "a monitor's probe: exit code 0, or 2 with what is wrong",
  'hapgent ctl set status DRAIN "deploying v42"': "take the service out, and say why",
  "hapgent ctl wait 30": "then wait until every HAProxy has been told, for 30 seconds at most",
  "hapgent ctl set status READY": "put the service back",
  'hapgent deploy "deploying v42" systemctl restart web': "all of this, and safe for others",
  "hapgent ctl @web show state": "one of several services (HAPGENT_SERVICES)",
  "hapgent check --config": "are the settings right, before a restart?",
  "hapgent check - < new.json": "is this a state, and what will HAProxy hear?",
  "pkill -USR2 -x hapgent": "set DOWN where there is nothing but a shell",
};

const COPYRIGHT =
  "hapgent is under the MIT license. Its executable holds the Bun runtime and libraries under other " +
  "licenses, the LGPL among them. THIRD_PARTY_NOTICES, in /usr/share/doc/hapgent, " +
  "/usr/share/licenses/hapgent or /usr/local/share/doc/hapgent and beside the source, has their texts, and says where their source " +
  "is and how to relink them.";

/** The man page of this version; its date is that of the version in the text of the changelog. */
export function formatManPage(changelog: string): string {
  const { COMMANDS, EXIT_CODES, SIGNALS, STATE_FIELDS } = spec;
  const date = findDate(changelog);
  return `${[
    `.TH HAPGENT 8 "${date}" "hapgent ${version}" "System Administration"`,
    ".SH NAME",
    "hapgent \\- answers HAProxy's agent checks",
    ".SH SYNOPSIS",
    ...spec.listUsages().flatMap(({ term }, i) => [...(i > 0 ? [".br"] : []), `.B ${roff(term)}`]),
    ".SH DESCRIPTION",
    roff(DESCRIPTION),
    section("COMMANDS", spec.listUsages()),
    section("OPTIONS", spec.listOptions(COMMANDS)),
    section("ENVIRONMENT", listEnvironment()),
    ".PP",
    roff(SETTINGS),
    section("STATE FILE", STATE_FIELDS),
    section("SIGNALS", SIGNALS),
    section("CONTROL SOCKET", listControls()),
    section("FILES", listFiles()),
    section("EXIT STATUS", EXIT_CODES),
    section("EXAMPLES", spec.toEntries(EXAMPLES)),
    ".SH COPYRIGHT",
    roff(COPYRIGHT),
    ".SH SEE ALSO",
    ".BR hapgent\\-deploy (8),",
    ".BR hapgent\\-follow (8),",
    ".BR haproxy (1)",
  ].join("\n")}\n`;
}

/** The day of this version's release, `2026-11-22`, or of the one before while it has none yet. */
function findDate(changelog: string): string {
  const headings = changelog.split("\n").filter((line) => line.startsWith("## ["));
  const own = headings.find((line) => line.startsWith(`## [${version}]`));
  return /\d{4}-\d{2}-\d{2}/.exec(own ?? headings.join(" "))?.[0] ?? "";
}

function listFiles(): spec.Entry[] {
  const agent = findInstallation();
  const instance = findInstallation("NAME");
  const files = {
    [agent.settingsFile]: "settings of the installed agent, the variables above, one a line",
    [agent.stateFile]: "its state",
    [agent.controlSocket]: "its control socket",
    [instance.settingsFile]: "settings of the instance NAME, started as hapgent@NAME",
    [instance.stateFile]: "the state of that instance",
    [instance.controlSocket]: "its control socket",
  };
  return spec.toEntries(files);
}

function section(title: string, entries: readonly spec.Entry[]): string {
  return [
    `.SH ${title}`,
    ...entries.flatMap(({ term, meaning }) => [".TP", `.B ${roff(term)}`, roff(meaning)]),
  ].join("\n");
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
