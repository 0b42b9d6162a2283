import { spyOn } from "bun:test";
import { runCommand } from "../../src/commands/run.ts";

/** Where no agent is installed, nor any other found: the environment is an agent's own. */
const NOWHERE = { HAPGENT_STATE_FILE: "/nowhere" };

/** Runs a command line in this process, and returns what it printed where and its exit code. */
export async function run(line: string | string[], env: Record<string, string> = {}) {
  using out = spyOn(console, "log").mockImplementation(() => undefined);
  using err = spyOn(console, "error").mockImplementation(() => undefined);
  const args = typeof line === "string" ? line.split(" ") : line;
  const code = await runCommand(args, { ...NOWHERE, ...env });
  return { code, out: out.mock.calls.flat().join("\n"), err: err.mock.calls.flat().join("\n") };
}
