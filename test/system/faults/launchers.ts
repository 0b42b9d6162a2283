/** As the shipped launchers start it: no signal can end it before its handlers are set. */
export const SIGNALS_BLOCKED = ["env", "--block-signal=HUP,USR1,USR2"];

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

/** Makes the agent's system calls fail or wait: strace's `inject=` expressions. */
export function withInjected(...injections: string[]): string[] {
  const options = injections.flatMap((injection) => ["-e", `inject=${injection}`]);
  return ["strace", "-D", "-f", "-qq", "-o", "/dev/null", ...options];
}
