import { log } from "../log.ts";
import type { Config } from "../settings.ts";
import type { ControlContext } from "./control-call.ts";
import { describeAsker, list } from "./poller-words.ts";
import { Wait } from "./wait.ts";

/** Answers the stop status until every poller that counts was served it, or its time is over. */
export async function tellStop(
  { status, seconds }: NonNullable<Config["stop"]>,
  { host, pollers, now }: Pick<ControlContext, "host" | "pollers" | "now">,
  isOver: () => boolean,
): Promise<void> {
  host.answerWhileStopping(status, now());
  log("stop status", { reply: host.reply().text, seconds });
  const scope = { host, pollers, name: undefined };
  const wait = new Wait({ ...scope, seconds, count: 0, now: now(), isStop: true });
  const end = await wait.run(now, isOver);
  if (!end) return;
  const { counted, missing, absent } = end.survey;
  const untold = [...missing.map(describeAsker), ...absent.map(({ text }) => text)];
  log("stop status over", {
    seconds: end.seconds,
    told: counted.length - missing.length,
    untold: untold.length === 0 ? undefined : list(untold),
  });
}
