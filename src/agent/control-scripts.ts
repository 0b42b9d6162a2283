// The commands of scripts, which give way to what a person has set, and to each other.
import { parseField, parseState, STATUSES, StateError, withStatus } from "../state/state.ts";
import { quote } from "../text.ts";
import { type Call, ONE_WORD, set, toDate } from "./control-call.ts";
import { followState } from "./follow.ts";
import type { Entry } from "./host.ts";

/** `change A to B`: a script puts back only what it has set itself. */
export async function change(call: Call): Promise<string | undefined> {
  const { text } = call;
  const word = STATUSES.join("|");
  if (!new RegExp(`^(${word})( .*)? to (${word})( .*)?$`).test(text)) return undefined;
  return await set(call, (entry) => {
    const { state } = entry;
    // A line of the socket has no blanks around a reason, which a file may have.
    const present = `${state.status} ${state.reason?.trim() ?? ""}`.trim();
    if (!text.startsWith(`${present} to `)) throw refuse("changed", entry, call);
    const [, next = "", reason = ""] = ONE_WORD.exec(text.slice(`${present} to `.length)) ?? [];
    const status = parseField("status", next);
    return withStatus(state, status, parseField("reason", reason || null));
  });
}

/** `follow JSON`: a script that runs by itself overwrites nothing that a person has set. */
export async function follow(call: Call): Promise<string> {
  const wanted = await parseState(call.text);
  return await set(call, (entry) => {
    // The steps of a deploy are a person's, too.
    const held = describeHold(call);
    if (held) throw new StateError([`not followed: ${held}`]);
    const state = followState(entry.state, wanted, call.host.mode);
    if (state === undefined) throw refuse("followed", entry, call);
    return Bun.deepEquals(state, entry.state) ? undefined : state;
  });
}

/** `hold WHO`: one deploy at a time, as long as its connection is open. */
export function hold(call: Call): string | undefined {
  const { text: who, name, client, holds, now } = call;
  if (who === "") return undefined;
  const held = describeHold(call);
  if (held) throw new StateError([held]);
  client.stay();
  holds.set(name, { who, at: now() });
  void client.gone.then(() => holds.delete(name));
  client.hold();
  return "ok held";
}

/** The error of a command that gives way to what somebody else has set. */
function refuse(what: string, entry: Entry, { now }: Call): StateError {
  const { status, reason } = entry.state;
  const state = reason ? `${status} ${quote(reason)}` : status;
  const since = toDate(entry, now).slice(0, 19).replace("T", " ");
  return new StateError([`not ${what}: it is ${state} since ${since} UTC (${entry.by})`]);
}

/** Who holds the service or the host, and since when; undefined: nobody. */
function describeHold({ name, holds, now }: Call): string | undefined {
  const names = name === undefined ? [...holds.keys()] : [name, undefined];
  const other = names.map((each) => holds.get(each)).find((each) => each !== undefined);
  return other && `held by ${other.who} for ${Math.round((now() - other.at) / 1000)} s`;
}
