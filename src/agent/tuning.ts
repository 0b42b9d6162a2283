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

/** The signals whose default action would end a process that has not set its handlers yet. */
const SIGNALS = ["HUP", "USR1", "USR2"] as const;

/** Blocks signals for the program that it starts: coreutils' env, from 8.31 on. */
const BLOCKING_ENV = ["/usr/bin/env", `--block-signal=${SIGNALS.join(",")}`];

/** A dynamic loader (glibc's, musl's), which can start a program in the place of the kernel. */
const LOADER = /\/ld[\w.-]*\.so[.\d]*$/;

/** Why the program could not become the tuned one. */
export interface Untuned {
  readonly message: string;
  /** What could not be executed, and what the system says of it. */
  readonly program?: string;
  readonly error?: unknown;
}

/**
 * Makes this process the tuned one: executes the program once more in place (the pid stays), with
 * the variables set. Returns undefined when they are set already, or must not be, and a reason when
 * it cannot be done. It logs nothing itself: a module that it shared with the agent would be loaded
 * on its own, which costs memory.
 *
 * A signal that comes in the first milliseconds, before this runs, still ends the process: only a
 * launcher can prevent that (`env --block-signal=HUP,USR1,USR2 hapgent`, with the variables set).
 */
export function becomeTuned(env: Environment): Untuned | undefined {
  const isTuned = Object.entries(TUNED).every(([name, value]) => env[name] === value);
  const { HAPGENT_TUNE = "on" } = env;
  if (isTuned || HAPGENT_TUNE !== "on" || !Bun.isStandaloneExecutable) return undefined;
  const program = process.execPath;
  const obstacle = findObstacle(env, program);
  if (obstacle !== undefined) return { message: `not tuned: ${obstacle}` };
  // What is off stays off: however the environment is changed on the way, there is no second time.
  const tuned = { ...env, ...TUNED, HAPGENT_TUNE: "off" };
  // The calls below clear the mask of blocked signals: a waiting signal must not kill.
  for (const name of SIGNALS) process.on(`SIG${name}`, () => undefined);
  const script = makeScript(program);
  try {
    process.execve?.("/bin/sh", ["sh", "-c", script, program], tuned);
  } catch {
    // No shell, as in an image that holds nothing else.
  }
  try {
    process.execve?.(program, [program], tuned);
  } catch (error) {
    return { message: "not tuned: more memory, more threads", program, error };
  }
  return undefined;
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

/** Whether there is an env that blocks signals; false, too, when no process can be started. */
function canBlockSignals(): boolean {
  try {
    return Bun.spawnSync(BLOCKING_ENV, { stdio: ["ignore", "ignore", "ignore"] }).success;
  } catch {
    return false;
  }
}

/**
 * What the shell runs to start the program, its `$0`, so that these signals cannot end it: ignored
 * for the moment that the shell takes, then blocked, so that they wait for the handlers. Where they
 * cannot be blocked they are ignored, that is lost, until the handlers are set. The shell starts no
 * process of its own: where none can be started, that would end it.
 */
function makeScript(program: string): string {
  const start = [`trap '' ${SIGNALS.join(" ")}; exec`];
  if (canBlockSignals()) start.push(...BLOCKING_ENV);
  // To env a path with a `=` is a variable.
  if (program.includes("=")) start.push(`/bin/sh -c 'exec "$0"'`);
  return [...start, '"$0"'].join(" ");
}
