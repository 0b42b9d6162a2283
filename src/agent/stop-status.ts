import { log } from "../log.ts";
import type { Config } from "../settings.ts";
import type { Host } from "./host.ts";
import { describeAsker, list } from "./poller-words.ts";
import type { Pollers } from "./pollers.ts";
import { Wait } from "./wait.ts";

/** How often it looks who has been told, in milliseconds. */
const LOOK_MS = 100;

/** What a stop status needs. */
export interface StopStatusOptions {
  readonly host: Host;
  readonly pollers: Pollers;
  readonly stop: NonNullable<Config["stop"]>;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** Whether nobody may be waited for any longer. */
  readonly isOver: () => boolean;
}

/** Answers the stop status until every poller that counts was served it, or its time is over. */
export async function tellStop(options: StopStatusOptions): Promise<void> {
  const { host, pollers, stop, now, isOver } = options;
  const { status, seconds } = stop;
  host.answerWhileStopping(status, now());
  log("stop status", { reply: host.reply().text, seconds });
  const scope = { host, pollers, name: undefined };
  const wait = new Wait({ ...scope, seconds, count: 0, now: now(), isStop: true });
  while (!isOver()) {
    const end = wait.look(now());
    if (end) {
      const { counted, missing, absent } = end.survey;
      const untold = [...missing.map(describeAsker), ...absent.map(({ text }) => text)];
      log("stop status over", {
        seconds: end.seconds,
        told: counted.length - missing.length,
        untold: untold.length === 0 ? undefined : list(untold),
      });
      return;
    }
    await Bun.sleep(LOOK_MS);
  }
}
