import { chmodSync, copyFileSync } from "node:fs";
import { type AgentProcess, startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { readThreads } from "../../scripts/lib/proc.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";

let copy: string | undefined;

/**
 * A copy of the executable, made once, that every user may run: the repository may lie where only
 * root may enter.
 */
export function executableForAll(): string {
  if (copy !== undefined) return copy;
  const { path } = temporaryDirectory();
  chmodSync(path, 0o755);
  copy = `${path}/hapgent`;
  copyFileSync(EXECUTABLE, copy);
  return copy;
}

/** Root that must keep to permissions: no file can be created in a directory of mode 0555. */
export const BOUND_BY_PERMISSIONS = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"];

/** Nobody: a user that owns nothing. */
export const UNPRIVILEGED = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

/**
 * Runs a shell script in a mount namespace of its own, where it may mount what it likes, then the
 * agent; all of it is gone with the agent. Its files are seen from outside below /proc/PID/root.
 */
export function inMounts(script: string): string[] {
  return inShell(script, ["unshare", "--mount", "--propagation=private"]);
}

/** Runs a shell script, then the agent in the same process. */
export function inShell(script: string, launcher: readonly string[] = []): string[] {
  return [...launcher, "sh", "-euc", `${script}\nexec "$@"`, "sh"];
}

/** Starts an agent, which every user may run, whose launcher begins in the directory of its file. */
export function startIn(path: string, launcher: string[]): Promise<AgentProcess> {
  return startAgent({
    stateFile: `${path}/state.json`,
    executable: executableForAll(),
    launcher: ["env", `--chdir=${path}`, ...launcher],
  });
}

/** A path as the agent sees it, in its own mount namespace. */
export function inside(agent: AgentProcess, path: string): string {
  return `/proc/${agent.pid}/root${path}`;
}

/** Traces a process that runs until this is disposed of; with paths only the calls on these files. */
export async function trace(
  pid: number,
  options: readonly string[],
  paths: readonly string[],
): Promise<AsyncDisposable> {
  const on = paths.flatMap((path) => ["-P", path]);
  const command = ["strace", "-f", "-qq", ...options, ...on, "-p", String(pid)];
  const tracer = Bun.spawn(command, { stdio: ["ignore", "ignore", "ignore"] });
  const isTraced = (status: string) => /^TracerPid:\t[1-9]/m.test(status);
  await until("traced", () => readThreads(pid).every(isTraced));
  return {
    async [Symbol.asyncDispose]() {
      tracer.kill("SIGKILL");
      await tracer.exited;
    },
  };
}
