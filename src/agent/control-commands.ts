import { parseField, StateError } from "../state/state.ts";
import type { Execute } from "./control-socket.ts";
import type { Events } from "./events.ts";
import type { Pollers } from "./pollers.ts";
import { type Outcome, type Service, withStatus } from "./service.ts";

/** The longest `wait`, in seconds. */
const WAIT_LIMIT = 86_400;

/** What a command works with. */
export interface Context {
  readonly service: Service;
  readonly events: Events;
  readonly pollers: Pollers;
}

/**
 * Runs a command with the words after its name; undefined when they are not what it takes.
 * `isWanted` tells whether somebody still waits for the answer.
 */
type Run = (
  words: readonly string[],
  context: Context,
  isWanted: () => boolean,
) => Promise<string | undefined> | string | undefined;

/** The commands, by name. */
const COMMANDS: ReadonlyMap<string, Run> = new Map<string, Run>([
  ["show state", showState],
  [
    "show pollers",
    ([extra], { pollers }) => (extra === undefined ? JSON.stringify(pollers.list()) : undefined),
  ],
  ["set status", setStatus],
  ["set weight", (words, context) => setNumber("weight", words, context)],
  ["set maxconn", (words, context) => setNumber("maxconn", words, context)],
  ["reload", reload],
  ["wait", wait],
  ["help", async () => `ok ${await listCommands()}`],
]);

/** What executes the lines of the control socket. */
export function createExecute(context: Context): Execute {
  return async (line, isWanted = () => true) => {
    const [verb = "", ...words] = line.trim().split(/\s+/);
    const run = COMMANDS.get(verb);
    const [noun = "", ...rest] = words;
    try {
      const answer = await (run
        ? run(words, context, isWanted)
        : COMMANDS.get(`${verb} ${noun}`)?.(rest, context, isWanted));
      return answer ?? (await refuse(line));
    } catch (error) {
      if (error instanceof StateError) return `error: ${error.message}`;
      throw error;
    }
  };
}

function showState([extra]: readonly string[], { service }: Context): string | undefined {
  if (extra !== undefined) return undefined;
  return JSON.stringify({ state: service.state, reply: service.reply.text });
}

async function setStatus([status = "", ...words]: readonly string[], context: Context) {
  const { service, events } = context;
  const reason = parseField("reason", words.join(" ") || null);
  const change = withStatus(parseField("status", status), reason ?? undefined);
  return describe(await events.request(() => service.set(change, "socket")), service);
}

function setNumber(
  field: "weight" | "maxconn",
  [text = "", extra]: readonly string[],
  { service, events }: Context,
): Promise<string> | undefined {
  if (extra !== undefined) return undefined;
  const value = parseField(field, /^\d+$/.test(text) ? Number(text) : text);
  const change = events.request(() =>
    service.set((state) => ({ ...state, [field]: value }), "socket"),
  );
  return change.then((outcome) => describe(outcome, service));
}

async function reload([extra]: readonly string[], { service, events }: Context) {
  if (extra !== undefined) return undefined;
  return describe(await events.request(() => service.reload("socket")), service);
}

async function wait(
  [seconds = "", extra]: readonly string[],
  { service, pollers }: Context,
  isWanted: () => boolean,
): Promise<string | undefined> {
  if (extra !== undefined) return undefined;
  const limit = Number(seconds);
  if (!/^\d+$/.test(seconds) || limit > WAIT_LIMIT) {
    return `error: wait: expected seconds from 0 to ${WAIT_LIMIT}, got ${JSON.stringify(seconds)}`;
  }
  const missing = await pollers.waitFor(() => service.reply.text, limit, isWanted);
  if (missing.length === 0) {
    return `ok served to all of ${pollers.list().length} pollers: ${service.reply.text}`;
  }
  const names = missing.map(({ address, reply, age }) => `${address} (${reply}, ${age} s ago)`);
  return `error: not served within ${limit} s to ${names.join(", ")}`;
}

function describe({ isGood, text }: Outcome, { reply }: Service): string {
  return isGood ? `ok ${text}: ${reply.text}` : `error: ${text}; the reply is ${reply.text}`;
}

async function refuse(line: string): Promise<string> {
  return `error: expected ${await listCommands()}, got ${JSON.stringify(line.slice(0, 60))}`;
}

/** The commands as the help describes them; loaded when somebody asks. */
async function listCommands(): Promise<string> {
  const { CONTROL_COMMANDS } = await import("../spec.ts");
  return CONTROL_COMMANDS.map(({ usage }) => usage).join(" | ");
}
