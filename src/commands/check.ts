import { type Environment, readSetting } from "../config.ts";
import { describeError } from "../errors.ts";
import { EXIT, UsageError } from "../exit.ts";
import { loadState } from "../state/file.ts";
import { formatReply, type ReplyMode } from "../state/reply.ts";
import { type State, StateError } from "../state/state.ts";
import type { Arguments } from "./arguments.ts";

/**
 * `hapgent check [FILE]`: prints the reply that a state file gives, with warnings where HAProxy may
 * read it differently from what its author expects; or each problem.
 *
 * @returns the exit code: 0, or 1 when the file is not valid.
 */
export async function runCheck({ flags, operands }: Arguments, env: Environment): Promise<number> {
  if (operands.length > 1) throw new UsageError("check: expected one file");
  const file = operands[0] ?? readSetting(env, "HAPGENT_STATE_FILE");
  const mode = readSetting(env, "HAPGENT_REPLY") ?? "exact";
  const { reply, warnings, problems } = await checkFile(file, mode);
  const ok = problems.length === 0;
  if (flags.has("json")) console.log(JSON.stringify({ ok, file, reply, warnings, problems }));
  else if (ok) console.log([reply, ...warnings.map((warning) => `warning: ${warning}`)].join("\n"));
  else console.error(problems.map((problem) => `${file}: ${problem}`).join("\n"));
  return ok ? EXIT.ok : EXIT.failure;
}

interface Finding {
  readonly reply?: string;
  readonly warnings: readonly string[];
  readonly problems: readonly string[];
}

async function checkFile(file: string, mode: ReplyMode): Promise<Finding> {
  try {
    const state = await loadState(file);
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
    "UP does not undo DRAIN or MAINT: only READY does": isExact && status === "UP",
    "the reason is not shown: HAProxy takes one with UP, DOWN, FAIL and STOPPED only":
      Boolean(reason) && !formatReply(state, mode).includes("#"),
    "weight 0 takes the server out of rotation": weight === 0,
    "a share of a configured `weight 1` below 100% is 0: configure `weight 100`":
      weight !== undefined && weight > 0 && weight < 100,
    "maxconn 0 is no limit": maxconn === 0,
  };
  return Object.entries(warnings).flatMap(([warning, applies]) => (applies ? [warning] : []));
}
