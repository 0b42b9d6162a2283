import { parseArgs } from "node:util";
import { EXIT, usageError } from "./cli.ts";
import { type Environment, readConfig } from "./config.ts";
import { reasonOf } from "./log.ts";
import { formatReply, type ReplyMode } from "./reply.ts";
import { type State, StateError } from "./state.ts";
import { loadState } from "./state-file.ts";

/**
 * `hapgent check [FILE] [--json]`: prints the reply that a state file gives, with warnings where
 * HAProxy reads it otherwise than its author may think; or each problem.
 *
 * @returns the exit code: 0, or 1 when the file is not valid.
 */
export async function check(args: string[], env: Environment): Promise<number> {
  const { file, isJson } = readOptions(args);
  const config = readConfig(env);
  const path = file ?? config.stateFile;
  try {
    const state = await loadState(path);
    const reply = formatReply(state, config.reply).trimEnd();
    const warnings = findWarnings(state, config.reply);
    if (isJson) console.log(JSON.stringify({ file: path, isValid: true, reply, warnings }));
    else console.log([reply, ...warnings.map((warning) => `warning: ${warning}`)].join("\n"));
    return EXIT.ok;
  } catch (error) {
    const problems = error instanceof StateError ? error.problems : [reasonOf(error)];
    if (isJson) console.log(JSON.stringify({ file: path, isValid: false, problems }));
    else console.error(problems.map((problem) => `${path}: ${problem}`).join("\n"));
    return EXIT.failure;
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

function readOptions(args: string[]): { file: string | undefined; isJson: boolean } {
  try {
    const { values, positionals } = parseArgs({
      args,
      options: { json: { type: "boolean", default: false } },
      allowPositionals: true,
    });
    if (positionals.length > 1) throw new Error("expected one file");
    return { file: positionals[0], isJson: values.json };
  } catch (error) {
    throw usageError("check", error);
  }
}
