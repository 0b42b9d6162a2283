import type { Environment } from "../config.ts";
import { describeError } from "../errors.ts";
import { log } from "../log.ts";

/**
 * The environment in which the runtime is smallest and calmest; it reads these variables once, when
 * the process starts. Every launcher that we ship sets them. What each is worth:
 * scripts/benchmark/README.md.
 */
export const TUNED: Readonly<Record<string, string>> = {
  // No just-in-time compiler: it buys nothing for a cached reply and costs memory and threads.
  BUN_JSC_useJIT: "0",
  // No threads of the garbage collector beside the main one.
  BUN_JSC_useConcurrentGC: "0",
  BUN_JSC_numberOfGCMarkers: "1",
  // Collect after 256 KiB instead of megabytes.
  BUN_JSC_smallHeapSize: "262144",
  BUN_JSC_largeHeapSize: "262144",
  // No timer that wakes the process to look whether there is garbage.
  BUN_GC_TIMER_DISABLE: "1",
  // The allocator gives memory back at once, and needs no thread for it.
  MIMALLOC_SCAVENGER: "0",
  MIMALLOC_PURGE_DELAY: "0",
  // Two threads for files, however many cores there are.
  UV_THREADPOOL_SIZE: "2",
};

/** The signals whose default action would end a process that has not set its handlers yet. */
const SIGNALS = "HUP USR1 USR2";

/**
 * Starts the program through a shell in which these signals cannot end it: ignored for the moment
 * that the shell takes, then blocked by coreutils' env, so that they wait for the handlers. Another
 * env (busybox's) cannot block: there they are ignored, that is lost, until the handlers are set.
 */
const LAUNCH = `trap '' ${SIGNALS}
/usr/bin/env --block-signal=HUP >/dev/null 2>&1 &&
exec /usr/bin/env --block-signal=${SIGNALS.replaceAll(" ", ",")} "$0"
exec "$0"`;

/**
 * Makes this process the tuned one, by executing the program once more in place (the pid stays)
 * with the variables set; returns where they are set already, or must not be, or where it cannot be
 * done.
 *
 * A signal that comes in the first milliseconds, before this runs, still ends the process: only a
 * launcher can prevent that (`env --block-signal=HUP,USR1,USR2 hapgent`, with the variables set).
 */
export function becomeTuned(env: Environment): void {
  const isTuned = Object.entries(TUNED).every(([name, value]) => env[name] === value);
  const { HAPGENT_TUNE = "on" } = env;
  if (isTuned || HAPGENT_TUNE !== "on" || !Bun.isStandaloneExecutable) return;
  // The runtime closes all descriptors on the way, that of a socket from systemd too.
  if (env["LISTEN_PID"] === String(process.pid) && env["LISTEN_FDS"] !== undefined) {
    log("not tuned: the passed socket would be lost; set the variables in the unit");
    return;
  }
  // The call below clears the mask of blocked signals: what was waiting must not kill.
  for (const name of SIGNALS.split(" ")) process.on(`SIG${name}`, () => undefined);
  const program = process.execPath;
  // What is off stays off: however the environment is changed on the way, there is no second time.
  const tuned = { ...env, ...TUNED, HAPGENT_TUNE: "off" };
  try {
    process.execve?.("/bin/sh", ["sh", "-c", LAUNCH, program], tuned);
  } catch {
    // No shell, as in an image that holds nothing else.
  }
  try {
    process.execve?.(program, [program], tuned);
  } catch (error) {
    log("not tuned: more memory, more threads", { program, error: describeError(error) });
  }
}
