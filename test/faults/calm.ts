import { until } from "../../scripts/lib/until.ts";
import { areAll } from "../proc.ts";

/** How often in turn one looks at a process, and how often one of its threads may be awake. */
const LOOKS = 50;
const AWAKE = 10;

/** Waits until a process is calm: when one looks, nearly always all of its threads sleep. */
export async function calm(pid: number): Promise<void> {
  await until("it sleeps", async () => {
    let awake = 0;
    for (let look = 0; look < LOOKS; look += 1) {
      if (!areAll(pid, "S")) awake += 1;
      await Bun.sleep(2);
    }
    return awake <= AWAKE;
  });
}
