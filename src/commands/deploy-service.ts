// What a deploy waits for at the service itself.
import { Problem } from "./deploy-agent.ts";
import type { Plan } from "./deploy-plan.ts";
import { formatSeconds } from "./deploy-words.ts";
import type { World } from "./deploy-world.ts";

/** How often connections to the port are counted, and the service is asked, in milliseconds. */
const COUNT_MS = 250;
const PROBE_MS = 500;

/** Waits until the requests under way have ended, or the time is over. */
export async function drain(
  { seconds, port }: NonNullable<Plan["drain"]>,
  world: World,
): Promise<void> {
  const count = async () => (await world.usePort(port)).peers.length || undefined;
  const { left, passed } = await poll(count, COUNT_MS, seconds, world);
  const connections = left === 1 ? "1 connection" : `${left ?? "no"} connections`;
  const what = `${connections}${world.whose} to port ${port}`;
  world.say(left ? `${what} left after ${seconds} s` : `${what} after ${passed}`);
}

/** Waits until the service answers. @throws {Problem} when it does not in time. */
export async function waitForService({ url, until, answer }: Plan, world: World): Promise<void> {
  if (url === undefined && until === undefined) return;
  const { left, passed } = await poll(() => world.probe(), PROBE_MS, answer, world);
  if (left !== undefined) {
    throw new Problem(`the service does not answer within ${answer} s: ${left}`);
  }
  world.say(`the service answers after ${passed}`);
}

/** Looks until nothing is left, or the time is over; says what is left then, and what has passed. */
async function poll<T>(
  look: () => Promise<T | undefined>,
  pause: number,
  seconds: number,
  world: World,
): Promise<{ left: T | undefined; passed: string }> {
  const from = world.now();
  for (;;) {
    const left = await look();
    const passed = world.now() - from;
    if (left === undefined || passed >= seconds * 1000) {
      return { left, passed: formatSeconds(passed) };
    }
    await world.sleep(pause);
  }
}
