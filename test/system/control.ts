import { startAgent } from "../../scripts/lib/agent.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import type { State } from "../../src/state/state.ts";
import { QUIET } from "./client.ts";

/** The control commands, as the help and errors list them. */
export const SHOW = "show state | show services | show pollers";
export const SET = "set status STATUS [REASON] | set weight N | set maxconn N";
export const COMMANDS = `${SHOW} | ${SET} | reload | wait SECONDS [COUNT] | forget ADDRESS | help`;

/** An agent with a control socket. */
export function startControlled(
  state: State | string = { status: "UP" },
  env: Record<string, string> = {},
) {
  return startAgent({ state, socket: true, env: { ...TUNED, ...env }, hostname: QUIET });
}

/** What `hapgent ctl` does with an answer that is no error. */
export function good(line: string) {
  return { stdout: `${line}\n`, stderr: "", exitCode: 0 };
}

/** What it does with an error. */
export function bad(line: string) {
  return { stdout: "", stderr: `${line}\n`, exitCode: 1 };
}
