import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";

/** What a process holds, as /proc tells it. */
export interface Usage {
  /** Anonymous resident memory, kB. */
  memory: number;
  descriptors: number;
  threads: number;
}

/** Reads what a process holds now. */
export function readUsage(pid: number): Usage {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return {
    memory: field(status, "RssAnon"),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: field(status, "Threads"),
  };
}

/** What a process holds, in MB of 1,048,576 bytes. */
export interface Memory {
  /** Private memory: all that the kernel cannot take back without swap. */
  readonly rssAnon: number;
  /** Resident in all, the executable's clean pages included. */
  readonly rss: number;
  /** As `rss`, a page that several processes share counted as a part of each. */
  readonly pss: number;
  /** What the kernel needs to map it; no part of the others. */
  readonly pageTables: number;
}

/** Reads what a process holds now. */
export function readMemory(pid: number): Memory {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return {
    rssAnon: readUsage(pid).memory / 1024,
    rss: field(rollup, "Rss") / 1024,
    pss: field(rollup, "Pss") / 1024,
    pageTables: field(readFileSync(`/proc/${pid}/status`, "utf8"), "VmPTE") / 1024,
  };
}

/** Context switches so far, of all threads. */
export function countSwitches(pid: number): number {
  return sumTasks(pid, "status", (text) => {
    return field(text, "voluntary_ctxt_switches") + field(text, "nonvoluntary_ctxt_switches");
  });
}

/**
 * CPU seconds so far, user and system, of all threads. The scheduler's own count, in nanoseconds,
 * of what /proc/PID/stat gives in hundredths of a second.
 */
export function readCpu(pid: number): number {
  return sumTasks(pid, "schedstat", (text) => Number(text.split(" ")[0]) / 1e9);
}

/** The name of a process: that of the program that it last became; none once it is gone. */
export function readName(pid: number): string {
  return readIfThere(`/proc/${pid}/comm`).trimEnd();
}

/** The processes that a process has started and that still run. */
export function readChildren(pid: number): number[] {
  const text = readIfThere(`/proc/${pid}/task/${pid}/children`);
  return text.split(" ").filter(Boolean).map(Number);
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    // It may end between the opening (ENOENT) and the reading (ESRCH).
    const { code = "" } = error as NodeJS.ErrnoException;
    if (["ENOENT", "ESRCH"].includes(code)) return "";
    throw error;
  }
}

/** The set of signals that a process does not take now; bit 0 is signal 1. */
export function readBlockedSignals(pid: number): bigint {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return BigInt(`0x${/^SigBlk:\s+(\w+)/m.exec(status)?.[1] ?? "0"}`);
}

/** The descriptors of a process: paths, `socket:[1]`, `anon_inode:[eventpoll]` and so on. */
function readDescriptors(pid: number): string[] {
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory).map((fd) => readLink(`${directory}/${fd}`));
}

/** Descriptors of a process that are sockets: the listening one and its clients. */
export function countSockets(pid: number): number {
  return readDescriptors(pid).filter((name) => name.startsWith("socket:")).length;
}

/** Whether a process has this file open. */
export function isOpen(pid: number, path: string): boolean {
  return readDescriptors(pid).includes(path);
}

/** A descriptor may be gone before its link is read. */
function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

function field(text: string, key: string): number {
  const value = new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(text)?.[1];
  if (value === undefined) throw new Error(`no ${key} in what the kernel says`);
  return Number(value);
}

function sumTasks(pid: number, file: string, read: (text: string) => number): number {
  const directory = `/proc/${pid}/task`;
  let sum = 0;
  for (const task of readdirSync(directory)) {
    try {
      sum += read(readFileSync(`${directory}/${task}/${file}`, "utf8"));
    } catch (error) {
      // A thread may end between the listing and the reading; anything else is an error.
      if (!existsSync(directory) || existsSync(`${directory}/${task}`)) throw error;
    }
  }
  return sum;
}
