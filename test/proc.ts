import { readIfThere, readThreads } from "../scripts/lib/proc.ts";

/** The processes that a process has started and that still run. */
export function readChildren(pid: number): number[] {
  const text = readIfThere(`/proc/${pid}/task/${pid}/children`);
  return text.split(" ").filter(Boolean).map(Number);
}

/** Whether all threads of a process are in a state, such as `S` (asleep) or `T` (stopped). */
export function areAll(pid: number, state: string): boolean {
  return readThreads(pid).every((thread) => thread.includes(`\nState:\t${state}`));
}

/** The signals of a kind (`SigBlk`) in the text of /proc/PID/status; bit 0 is signal 1. */
export function readMask(status: string, kind: string): bigint {
  return BigInt(`0x${new RegExp(`^${kind}:\\s*(\\w+)`, "m").exec(status)?.[1] ?? "0"}`);
}
