import { readCpu } from "../../scripts/lib/proc.ts";

/** How long two processes are compared, in milliseconds. */
const COMPARED_MS = 1000;

/**
 * Whether a process is calm: it uses less than a quarter of the time of a core that one that spins
 * gets beside it, however busy the machine is.
 */
export async function isCalm(pid: number): Promise<boolean> {
  await using spinning = Bun.spawn(["sh", "-c", "while :; do :; done"]);
  const [before, spunBefore] = [readCpu(pid), readCpu(spinning.pid)];
  await Bun.sleep(COMPARED_MS);
  return readCpu(pid) - before < (readCpu(spinning.pid) - spunBefore) / 4;
}
