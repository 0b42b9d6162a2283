import { existsSync, readdirSync, readFileSync } from "node:fs";
import { readUsage } from "../../test/system/proc.ts";

/** What a process holds, in MB of 1,048,576 bytes. */
export interface Memory {
  /** Private memory: all that the kernel cannot take back without swap. */
  readonly rssAnon: number;
  /** Resident in all, the executable's clean pages included. */
  readonly rss: number;
  /** As `rss`, a page that several processes share counted as a part of each. */
  readonly pss: number;
}

/** Reads what a process holds now. */
export function readMemory(pid: number): Memory {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return {
    rssAnon: readUsage(pid).memory / 1024,
    rss: field(rollup, "Rss") / 1024,
    pss: field(rollup, "Pss") / 1024,
  };
}

function field(text: string, key: string): number {
  const value = new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(text)?.[1];
  if (value === undefined) throw new Error(`no ${key} in what the kernel says`);
  return Number(value);
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

/** CPU seconds so far in which the machine was not idle, of all its CPUs. */
export function readMachineCpu(): number {
  const times = /^cpu +(.*)$/m
    .exec(readFileSync("/proc/stat", "utf8"))?.[1]
    ?.split(" ")
    .map(Number);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = times ?? [];
  return (user + nice + system + irq + softirq + steal) / TICKS;
}

/** Clock ticks a second in /proc: USER_HZ, the same on every Linux that Bun runs on. */
const TICKS = 100;

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
