import { readdirSync, readFileSync } from "node:fs";
import { until } from "../../scripts/lib/until.ts";

/** How often in turn a process has to be found asleep. */
const LOOKS = 50;

/** Waits until a process is calm: whenever one looks, all of its threads sleep. */
export async function calm(pid: number): Promise<void> {
  const directory = `/proc/${pid}/task`;
  const isAsleep = (thread: string) =>
    /^State:\tS/m.test(readFileSync(`${directory}/${thread}/status`, "utf8"));
  await until("it sleeps", async () => {
    for (let look = 0; look < LOOKS; look += 1) {
      if (!readdirSync(directory).every(isAsleep)) return false;
      await Bun.sleep(2);
    }
    return true;
  });
}
