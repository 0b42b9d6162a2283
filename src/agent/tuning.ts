import type { Environment } from "../settings.ts";

/**
 * The environment in which the runtime is smallest and calmest; it reads these variables once, when
 * the process starts. Every launcher that we ship sets them. The benchmark shows their worth beside
 * an untuned agent.
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
  // It takes address space by 64 MiB, and not by 1 GiB, which a limit (ulimit -v) may refuse.
  MIMALLOC_ARENA_RESERVE: "65536",
  // Two threads for files, however many cores there are.
  UV_THREADPOOL_SIZE: "2",
};

/** A dynamic loader (glibc's, musl's), which can start a program in the place of the kernel. */
const LOADER = /\/ld[\w.-]*\.so[.\d]*$/;

/**
 * Makes this process the tuned one: executes the program once more in place (the pid stays), with
 * the variables set. It logs nothing itself: a module that it shared with the agent would be loaded
 * on its own, which costs memory.
 *
 * A signal that comes in the first milliseconds still ends the process: only a launcher can prevent
 * that (`env --block-signal=HUP,USR1,USR2 hapgent`, with the variables set).
 *
 * @returns undefined when the variables are set already, or must not be; else why it is not tuned.
 */
export function becomeTuned(env: Environment): string | undefined {
  const isTuned = Object.entries(TUNED).every(([name, value]) => env[name] === value);
  const { HAPGENT_TUNE = "on" } = env;
  if (isTuned || HAPGENT_TUNE !== "on" || !Bun.isStandaloneExecutable) return undefined;
  const program = process.execPath;
  const obstacle = findObstacle(env, program);
  if (obstacle !== undefined) return obstacle;
  try {
    // What is off stays off: however the environment is changed on the way, there is no second
    // time.
    process.execve?.(program, [program], { ...env, ...TUNED, HAPGENT_TUNE: "off" });
    return undefined;
  } catch (error) {
    return `cannot execute ${program}: ${error instanceof Error ? error.message : error}`;
  }
}

/** An environment without what is for the runtime of an agent: that of the programs of a command. */
export function withoutTuned(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([name, value]) => TUNED[name] !== value));
}

/** Why the program cannot execute itself once more; undefined when it can. */
function findObstacle(env: Environment, program: string): string | undefined {
  // The runtime closes all descriptors on the way, that of a socket from systemd too.
  if (env["LISTEN_PID"] === String(process.pid) && env["LISTEN_FDS"] !== undefined) {
    return "the passed socket would be lost; set the variables in the unit";
  }
  if (LOADER.test(program)) return `started through ${program}`;
  // Deleted while it starts.
  if (Bun.which(program) === null) return `cannot execute ${program}`;
  return undefined;
}
