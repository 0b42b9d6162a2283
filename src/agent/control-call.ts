import type { ControlClient } from "./control-client.ts";
import type { Files } from "./files.ts";
import type { Entry, Host } from "./host.ts";
import type { Change, Outcome } from "./keeper.ts";
import type { Pollers } from "./pollers.ts";

/** What the commands work with. */
export interface ControlContext {
  readonly host: Host;
  readonly files: Files;
  readonly pollers: Pollers;
  readonly now: () => number;
}

/** The words of a command, and what comes after them. */
export const TWO_WORDS = /^(\S+\s+\S+)\s*(.*)$/;
export const ONE_WORD = /^(\S+)\s*(.*)$/;

/** Who keeps others from a deploy: of the host (undefined) or of a service. */
export type Holds = Map<string | undefined, { readonly who: string; readonly at: number }>;

/** A command that was received. */
export interface Call extends ControlContext {
  /** What came after the command's name. */
  readonly text: string;
  /** The service that it is for; undefined: the host. */
  readonly name: string | undefined;
  readonly client: ControlClient;
  readonly holds: Holds;
}

/** Runs a command, or throws a StateError; undefined: it does not take what came after its name. */
export type Run = (call: Call) => Promise<string | undefined> | string | undefined;

/**
 * Makes a change, and tells how it ended.
 *
 * @throws {StateError} as `Keeper.set` does.
 */
export async function set(call: Call, made: Change): Promise<string> {
  return await describe(await call.files.set(call.name, made, "socket"), call);
}

/** How a change has ended, and what is answered now: that is the host's word, too. */
export async function describe({ isGood, text }: Outcome, call: Call): Promise<string> {
  const { host, files, name } = call;
  if (name !== undefined) await files.look(undefined);
  const reply = host.reply(name).text;
  return isGood ? `ok ${text}: ${reply}` : `error: ${text}; the reply is ${reply}`;
}

/** When a state was set, in the time of day. */
export function toDate({ since }: Entry, now: () => number): string {
  return new Date(Date.now() - (now() - since)).toISOString();
}

/** A text of digits as a number; undefined when it is none, or has too many. */
export function toInteger(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
