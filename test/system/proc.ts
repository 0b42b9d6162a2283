import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Clock ticks a second in /proc: USER_HZ, the same on every Linux that Bun runs on. */
const TICKS = 100;

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
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]);
  return {
    memory: field("RssAnon"),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: field("Threads"),
  };
}

/** The name of a process: that of the program that it last became. */
export function readName(pid: number): string {
  return readFileSync(`/proc/${pid}/comm`, "utf8").trimEnd();
}

/** The set of signals that were sent to a process and not yet delivered. */
export function readPendingSignals(pid: number): bigint {
  return signalSet(pid, "ShdPnd");
}

/** The set of signals that a process does not take now; bit 0 is signal 1. */
export function readBlockedSignals(pid: number): bigint {
  return signalSet(pid, "SigBlk");
}

function signalSet(pid: number, name: string): bigint {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return BigInt(`0x${new RegExp(`^${name}:\\s+(\\w+)`, "m").exec(status)?.[1] ?? "0"}`);
}

/** CPU time that a process has used, user and system, in milliseconds. */
export function cpuTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS;
}

/** What the descriptors of a process are: paths, `socket:[1]`, `anon_inode:[eventpoll]` and so on. */
export function readDescriptors(pid: number): string[] {
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory).map((fd) => readLink(`${directory}/${fd}`));
}

/** Descriptors of a process that are sockets: the listening one and its clients. */
export function countSockets(pid: number): number {
  return readDescriptors(pid).filter((name) => name.startsWith("socket:")).length;
}

/** A descriptor may be gone before its link is read. */
function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
