import { readdir } from "node:fs/promises";
import { describeError } from "../errors.ts";
import { EXIT, UsageError } from "../exit.ts";
import { NAME_RULE, SERVICE_NAME } from "../sent.ts";
import { type Environment, findDoubts, readConfig, readReplyMode } from "../settings.ts";
import { loadState, SIZE_LIMIT } from "../state/read.ts";
import { formatReply, isReasonShown, type ReplyMode } from "../state/reply.ts";
import { parseState, type State, StateError } from "../state/state.ts";
import { printable } from "../text.ts";
import type { Arguments } from "./arguments.ts";
import { findSettings, findUnitLimit, type Settings } from "./installation.ts";

/** Stands for standard input in place of a file's name. */
const STDIN = "-";

/** A file to read, and where its name comes from if not the command line. */
interface Source {
  readonly file: string;
  readonly origin: string;
  /** Whether the agent passes it over: it lies among the services and is named like none. */
  readonly isIgnored?: boolean;
  /** What keeps the agent from saving it. */
  readonly limit?: string | undefined;
  /** Why it cannot be read, if that is known. */
  readonly problem?: string;
}

/** The result for one file. */
interface Finding {
  readonly reply?: string;
  readonly warnings: readonly string[];
  readonly problems: readonly string[];
}

/**
 * `hapgent check [FILE...]`: prints the reply that each state file gives, with warnings where
 * HAProxy may read it differently from what its author expects; or each problem. Without a FILE it
 * checks the files of the agent that the environment describes. `--config` checks that environment
 * instead, as a start would.
 *
 * @returns the exit code: 0, or 1 when a file is not valid.
 * @throws {ConfigError} when a variable is invalid.
 */
export async function runLint(args: Arguments, env: Environment): Promise<number> {
  const { flags, operands, values } = args;
  const settings = await findSettings(env, values["instance"]);
  if (flags.has("config")) {
    if (operands.length > 0 || flags.has("json")) {
      throw new UsageError("check: expected neither a FILE nor --json with --config");
    }
    // A socket that systemd passes is meant for the agent.
    settings.use((environment) => readConfig({ ...environment, LISTEN_PID: undefined }));
    for (const warning of findDoubts(settings.environment)) console.error(`warning: ${warning}`);
    console.log("ok");
    return EXIT.ok;
  }
  const mode = settings.use(readReplyMode);
  const sources =
    operands.length > 0
      ? operands.map((file) => ({ file, origin: "" }))
      : await listSources(settings);
  let isGood = true;
  for (const source of sources) {
    const finding = await lintSource(source, mode);
    isGood &&= finding.problems.length === 0;
    if (flags.has("json")) printJson(source, finding);
    else print(source, finding, sources.length > 1);
  }
  return isGood ? EXIT.ok : EXIT.failure;
}

/** The state files that the agent reads: its own, and those of its services. */
async function listSources(settings: Settings): Promise<Source[]> {
  const { installation } = settings;
  const file = settings.read("HAPGENT_STATE_FILE");
  const findLimit = async (path: string) =>
    installation && (await findUnitLimit(installation, path));
  const origin = settings.explain("HAPGENT_STATE_FILE");
  const sources = [{ file, origin, limit: await findLimit(file) }];
  const directory = settings.read("HAPGENT_SERVICES");
  if (directory === undefined) return sources;
  const shared = {
    origin: settings.explain("HAPGENT_SERVICES"),
    limit: await findLimit(`${directory}/`),
  };
  const names = await readdir(directory).catch(describeError);
  if (typeof names === "string")
    return [...sources, { file: directory, problem: names, ...shared }];
  const files = names.toSorted().flatMap((name) => {
    // Hidden files the agent does not see.
    const [, service] = /^([^.].*)\.json$/s.exec(name) ?? [];
    if (service === undefined) return [];
    return { file: `${directory}/${name}`, isIgnored: !SERVICE_NAME.test(service), ...shared };
  });
  return [...sources, ...files];
}

async function lintSource(source: Source, mode: ReplyMode): Promise<Finding> {
  const { file, isIgnored, limit, problem } = source;
  if (problem !== undefined) return { warnings: [], problems: [problem] };
  if (isIgnored) {
    return { warnings: [`the agent ignores it: expected a name of ${NAME_RULE}`], problems: [] };
  }
  try {
    const state = file === STDIN ? await parseState(await readStdin()) : await loadState(file);
    const reply = formatReply([state], mode).trimEnd();
    const warnings = [...findWarnings(state, mode), ...(limit === undefined ? [] : [limit])];
    return { reply, warnings, problems: [] };
  } catch (error) {
    const problems = error instanceof StateError ? error.problems : [describeError(error)];
    return { warnings: [], problems };
  }
}

/** Reads standard input, no more of it than a state file may have, and decodes it like one. */
async function readStdin(): Promise<string> {
  const bytes = await Bun.stdin.slice(0, SIZE_LIMIT + 1).bytes();
  if (bytes.length <= SIZE_LIMIT) return await new Blob([bytes]).text();
  throw new StateError([`expected at most ${SIZE_LIMIT} bytes, got more`]);
}

function printJson({ file }: Source, { reply, warnings, problems }: Finding): void {
  const ok = problems.length === 0;
  console.log(printable(JSON.stringify({ ok, file, reply, warnings, problems })));
}

function print({ file, origin }: Source, finding: Finding, isOneOfSeveral: boolean): void {
  const { reply, warnings, problems } = finding;
  // Anybody who may write to the directory of the services has chosen it.
  const name = printable(file);
  const prefix = isOneOfSeveral ? `${name}: ` : "";
  if (reply !== undefined) console.log(prefix + reply);
  for (const warning of warnings) console.log(`${prefix}warning: ${warning}`);
  for (const problem of problems) {
    // Compilers and editors agree on `file:line:column: message`.
    const hasPosition = /^\d+:\d+: /.test(problem);
    console.error(hasPosition ? `${name}:${problem}` : `${name}${origin}: ${problem}`);
  }
}

/** Effects of a state at HAProxy that its author may not expect. */
function findWarnings(state: State, mode: ReplyMode): string[] {
  const { status, weight, maxconn, reason } = state;
  const isExact = mode === "exact";
  // That UP does not undo DRAIN is no warning: UP is what nearly every state says.
  const warnings = {
    "READY does not undo DOWN, FAIL or STOPPED: only UP does": isExact && status === "READY",
    "the reason is not shown: HAProxy takes one with UP, DOWN, FAIL and STOPPED only":
      Boolean(reason) && !isReasonShown(state, mode),
    "weight 0 takes the server out of rotation": weight === 0,
    "a share of a configured `weight 1` below 100% is 0: configure `weight 100`":
      weight !== undefined && weight > 0 && weight < 100,
    "maxconn 0 is no limit": maxconn === 0,
  };
  return Object.entries(warnings).flatMap(([warning, applies]) => (applies ? [warning] : []));
}
