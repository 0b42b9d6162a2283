import type { Socket } from "bun";
import { type Agent, type Outcome, withStatus } from "./agent.ts";
import { reasonOf } from "./log.ts";
import type { Pollers } from "./pollers.ts";
import { parseState, type State, StateError } from "./state.ts";

/** At most so many clients at a time. */
const CLIENT_LIMIT = 16;
/** A command is at most so long, in bytes. */
const LINE_LIMIT = 1024;
/** Commands that a client may send before they are answered, in bytes. */
const BACKLOG_LIMIT = 64 * 1024;
/** A client that sends nothing for so long (ms) is closed, unless it waits for an answer. */
const IDLE_MS = 5000;
/** The longest `wait`, in seconds. */
const WAIT_LIMIT = 86_400;

/** The socket's path is taken: by an agent that lives, or by something that is no socket. */
export class ControlError extends Error {}

interface Client {
  /** What was sent and not yet handled. */
  rest: string;
  isBusy: boolean;
  /** It sends no more, and still reads. */
  hasEnded: boolean;
  isClosed: boolean;
  timer: Timer | undefined;
}

/**
 * Opens the runtime socket (mode 0600): one command a line, one line in answer, `ok ...`, `error:
 * ...` or JSON, in the manner of HAProxy's own. A socket that nobody serves any more is taken over.
 *
 * @returns a function that closes the socket and removes it.
 * @throws {ControlError} when the path is in use or cannot be bound.
 */
export async function openControl(path: string, agent: Agent, pollers: Pollers) {
  await removeStale(path);
  let clients = 0;
  // The mode of a socket is that of its creation: with a chmod it would be open to all for a
  // moment.
  const umask = process.umask(0o177);
  try {
    const server = Bun.listen<Client>({
      unix: path,
      allowHalfOpen: true,
      socket: {
        open(socket) {
          clients += 1;
          socket.data = {
            rest: "",
            isBusy: false,
            hasEnded: false,
            isClosed: false,
            timer: undefined,
          };
          if (clients > CLIENT_LIMIT) socket.end(`error: more than ${CLIENT_LIMIT} clients\n`);
          else idle(socket);
        },
        data(socket, chunk) {
          // One character a byte: what is not ASCII is refused by the command that it is in.
          socket.data.rest += chunk.toString("latin1");
          if (socket.data.rest.length > BACKLOG_LIMIT) socket.end("error: too many commands\n");
          else void work(socket);
        },
        end(socket) {
          socket.data.hasEnded = true;
          void work(socket);
        },
        close(socket) {
          clients -= 1;
          socket.data.isClosed = true;
          clearTimeout(socket.data.timer);
        },
        error() {},
      },
    });
    return () => server.stop(true);
  } catch (error) {
    throw new ControlError(`cannot open the runtime socket ${path}: ${reasonOf(error)}`);
  } finally {
    process.umask(umask);
  }

  /** Handles a client's commands, one after another, each answered before the next. */
  async function work(socket: Socket<Client>): Promise<void> {
    const client = socket.data;
    if (client.isBusy) return;
    client.isBusy = true;
    clearTimeout(client.timer);
    for (let end = client.rest.indexOf("\n"); end >= 0; end = client.rest.indexOf("\n")) {
      const line = client.rest.slice(0, end);
      client.rest = client.rest.slice(end + 1);
      const answer = `${await execute(line, agent, pollers, () => !client.isClosed)}\n`;
      if (client.isClosed || socket.write(answer) >= answer.length) continue;
      // An answer that does not fit means a client that does not read.
      client.rest = "";
      socket.terminate();
    }
    client.isBusy = false;
    if (client.isClosed) return;
    if (client.rest.length > LINE_LIMIT) socket.end(`error: ${TOO_LONG}\n`);
    // Half a line may be half a number: it is not executed.
    else if (client.hasEnded) socket.end(client.rest && "error: expected a newline at the end\n");
    else idle(socket);
  }
}

const TOO_LONG = `expected a line of at most ${LINE_LIMIT} bytes`;

/**
 * Executes one command and returns the line that answers it.
 *
 * @param isWanted Whether somebody still waits for the answer; a `wait` ends when nobody does.
 */
export async function execute(
  line: string,
  agent: Agent,
  pollers: Pollers,
  isWanted?: () => boolean,
): Promise<string> {
  if (line.length > LINE_LIMIT) return `error: ${TOO_LONG}`;
  const [verb = "", what = "", value = "", ...rest] = line.trim().split(/\s+/);
  try {
    switch (`${verb} ${what}`.trim()) {
      case "show state":
        if (value) break;
        return JSON.stringify({ state: agent.state, reply: agent.replyText });
      case "show pollers":
        if (value) break;
        return JSON.stringify(pollers.list());
      case "set status":
        return await set(agent, { status: value, reason: rest.join(" ") || null });
      case "set weight":
      case "set maxconn":
        if (rest.length > 0) break;
        return await set(agent, { [what]: /^\d+$/.test(value) ? Number(value) : value });
      case "reload":
        return describe(await agent.request({ kind: "reload", cause: "socket" }), agent);
      case "help":
        return `ok ${await listCommands()}`;
      default:
        if (verb === "wait" && !value) return await wait(what, agent, pollers, isWanted);
    }
    return await unknown(line);
  } catch (error) {
    if (error instanceof StateError) return `error: ${error.message}`;
    throw error;
  }
}

async function set(agent: Agent, fields: Record<string, unknown>): Promise<string> {
  // The schema of the state file is the one place that knows what is valid.
  const { status, reason, ...numbers } = parseState(JSON.stringify({ status: "UP", ...fields }));
  const change =
    "status" in fields ? withStatus(status, reason) : (state: State) => ({ ...state, ...numbers });
  return describe(await agent.request({ kind: "set", cause: "socket", change }), agent);
}

async function wait(
  seconds: string,
  agent: Agent,
  pollers: Pollers,
  isWanted?: () => boolean,
): Promise<string> {
  const limit = Number(seconds);
  if (!/^\d+$/.test(seconds) || limit > WAIT_LIMIT) {
    return `error: wait: expected seconds from 0 to ${WAIT_LIMIT}, got ${JSON.stringify(seconds)}`;
  }
  const missing = await pollers.waitFor(() => agent.replyText, limit, isWanted);
  if (missing.length === 0) {
    return `ok served to all of ${pollers.list().length} pollers: ${agent.replyText}`;
  }
  const names = missing.map(({ address, reply, age }) => `${address} (${reply}, ${age} s ago)`);
  return `error: not served within ${limit} s to ${names.join(", ")}`;
}

function describe({ isGood, text }: Outcome, agent: Agent): string {
  return `${isGood ? "ok" : "error:"} ${text}: ${agent.replyText}`;
}

async function unknown(line: string): Promise<string> {
  return `error: expected ${await listCommands()}, got ${JSON.stringify(line.slice(0, 60))}`;
}

/** The commands as the help describes them; loaded when somebody asks. */
async function listCommands(): Promise<string> {
  const { RUNTIME_COMMANDS } = await import("./usage.ts");
  return RUNTIME_COMMANDS.map(([term]) => term.replaceAll(", ", " | ")).join(" | ");
}

function idle(socket: Socket<Client>): void {
  clearTimeout(socket.data.timer);
  socket.data.timer = setTimeout(() => socket.end("error: idle for 5 s\n"), IDLE_MS);
}

/** Removes a socket that an agent has left behind. */
async function removeStale(path: string): Promise<void> {
  const file = Bun.file(path);
  const stat = await file.stat().catch(() => undefined);
  if (!stat) return;
  if (!stat.isSocket()) {
    throw new ControlError(`cannot open the runtime socket ${path}: it is there, and no socket`);
  }
  const isServed = await Bun.connect({ unix: path, socket: { data() {} } }).then(
    (socket) => {
      socket.end();
      return true;
    },
    () => false,
  );
  if (isServed) {
    throw new ControlError(`cannot open the runtime socket ${path}: another agent serves it`);
  }
  await file.delete();
}
