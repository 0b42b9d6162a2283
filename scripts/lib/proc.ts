import { readdirSync, readFileSync } from "node:fs";

/** What a process holds, as /proc tells it. */
export interface Usage {
  /** Private memory (RssAnon), kB: all that the kernel cannot take back without swap. */
  memory: number;
  /** Resident in all, kB, the executable's clean pages included. */
  resident: number;
  descriptors: number;
  threads: number;
}

/** Reads what a process holds now. */
export function readUsage(pid: number): Usage {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return {
    memory: field(status, "RssAnon"),
    resident: field(status, "VmRSS"),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: field(status, "Threads"),
  };
}

/** Private memory of a process, in MB of 1,048,576 bytes. */
export function readMemory(pid: number): number {
  return readUsage(pid).memory / 1024;
}

/** Context switches so far, of all threads. */
export function countSwitches(pid: number): number {
  const kinds = ["voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"];
  return sum(readThreads(pid).flatMap((text) => kinds.map((kind) => field(text, kind))));
}

/**
 * CPU seconds so far, user and system, of all threads. The scheduler's own count, in nanoseconds,
 * of what /proc/PID/stat gives in hundredths of a second.
 */
export function readCpu(pid: number): number {
  return sum(readThreads(pid, "schedstat").map((text) => Number(text.split(" ")[0]))) / 1e9;
}

/** What the kernel says of each thread of a process; one may end between the listing and this. */
export function readThreads(pid: number, file = "status"): string[] {
  const path = `/proc/${pid}/task`;
  return readdirSync(path).flatMap((thread) => readIfThere(`${path}/${thread}/${file}`) || []);
}

/** A file of /proc; nothing once its process is gone. */
export function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    // It may end between the opening (ENOENT) and the reading (ESRCH).
    const { code = "" } = error as NodeJS.ErrnoException;
    if (["ENOENT", "ESRCH"].includes(code)) return "";
    throw error;
  }
}

function field(text: string, key: string): number {
  const value = new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(text)?.[1];
  if (value === undefined) throw new Error(`no ${key} in what the kernel says`);
  return Number(value);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
