import { type Environment, readConfig, readSetting } from "../config.ts";
import { describeError } from "../errors.ts";
import { EXIT } from "../exit.ts";
import { loadState, parseText } from "../state/file.ts";
import { formatReply, isReasonShown, type ReplyMode } from "../state/reply.ts";
import { type State, StateError } from "../state/state.ts";
import type { Arguments } from "./arguments.ts";

/**
 * `hapgent check [FILE...]`: prints the reply that a state file gives, with warnings where HAProxy
 * may read it differently from what its author expects; or each problem. `--config` checks the
 * environment instead, as a start would.
 *
 * @returns the exit code: 0, or 1 when a file is not valid.
 * @throws {ConfigError} when a variable holds what it must not.
 */
export async function runCheck({ flags, operands }: Arguments, env: Environment): Promise<number> {
  if (flags.has("config")) {
    readConfig({ ...env, LISTEN_PID: undefined });
    return EXIT.ok;
  }
  const files = operands.length > 0 ? operands : [readSetting(env, "HAPGENT_STATE_FILE")];
  const mode = readSetting(env, "HAPGENT_REPLY") ?? "exact";
  let isGood = true;
  for (const file of files) {
    const { reply, warnings, problems } = await checkFile(file, mode);
    const ok = problems.length === 0;
    isGood &&= ok;
    const prefix = files.length > 1 ? `${file}: ` : "";
    if (flags.has("json")) console.log(JSON.stringify({ ok, file, reply, warnings, problems }));
    else if (ok)
      console.log(
        [`${prefix}${reply}`, ...warnings.map((warning) => `${prefix}warning: ${warning}`)].join(
          "\n",
        ),
      );
    else console.error(problems.map((problem) => locate(file, problem)).join("\n"));
  }
  return isGood ? EXIT.ok : EXIT.failure;
}

/** A problem after its file: `state.json:3:16: ...` where it has a position. */
function locate(file: string, problem: string): string {
  return /^\d+:\d+: /.test(problem) ? `${file}:${problem}` : `${file}: ${problem}`;
}

interface Finding {
  readonly reply?: string;
  readonly warnings: readonly string[];
  readonly problems: readonly string[];
}

async function checkFile(file: string, mode: ReplyMode): Promise<Finding> {
  try {
    const state = file === "-" ? await parseText(await Bun.stdin.text()) : await loadState(file);
    const reply = formatReply(state, mode).trimEnd();
    return { reply, warnings: findWarnings(state, mode), problems: [] };
  } catch (error) {
    const problems = error instanceof StateError ? error.problems : [describeError(error)];
    return { warnings: [], problems };
  }
}

/** What HAProxy makes of a state that its author may not expect. */
export function findWarnings(state: State, mode: ReplyMode): string[] {
  const { status, weight, maxconn, reason } = state;
  const isExact = mode === "exact";
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
