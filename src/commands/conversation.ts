// What commands say to the control socket: one command a connection, one line in answer.
import { WAIT_LIMIT } from "../controls.ts";
import { codeOf, describeError } from "../errors.ts";

/** Seconds that an answer may take, beyond those that a `wait` asks for. */
const PATIENCE = 10;

/** What helps a user who may not open the control socket. */
const RIGHTS = "use sudo, or HAPGENT_SOCKET_MODE=0660 and the group of the socket's directory";

/** What to do where no control socket is known. */
export const NO_SOCKET =
  "set HAPGENT_SOCKET to the path that the agent was started with; without one it has no control socket";

/** There is no answer: no socket, no agent, no right, or an agent that ended before it answered. */
export class NoAnswerError extends Error {}

/** A command that was answered; then the agent closes the connection, unless that holds a service. */
export interface Conversation {
  readonly answer: string;
  /** Resolves when the connection is closed. */
  readonly closed: Promise<void>;
}

/** The control socket that a command speaks to. */
export interface ControlSocket {
  readonly path: string;
  /** Where the path comes from, in brackets, if not from the caller. */
  readonly origin: string;
}

/**
 * Sends a command.
 *
 * @param signal ends the waiting; the promise is then rejected with the signal's reason.
 * @throws {NoAnswerError} whose message says who has not answered, and why.
 */
export async function converse(
  { path, origin }: ControlSocket,
  command: string,
  signal?: AbortSignal,
): Promise<Conversation> {
  signal?.throwIfAborted();
  const [, wanted] = /^(?:@\S*\s+)?wait\s+(\S+)/.exec(command) ?? [];
  const seconds = Math.max(0, Math.min(Number(wanted) || 0, WAIT_LIMIT)) + PATIENCE;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const decoder = new TextDecoder();
  let text = "";
  const { promise: closed, resolve: end } = Promise.withResolvers<void>();
  const fail = (why: string) =>
    reject(new NoAnswerError(`no answer from ${path}${origin}: ${why}`));
  const failWith = (error: unknown) => {
    const hint = codeOf(error) === "EACCES" ? `; ${RIGHTS}` : "";
    fail(describeError(error) + hint);
  };
  const connection = Bun.connect({
    unix: path,
    socket: {
      open(socket) {
        socket.write(`${command}\n`);
      },
      data(_, chunk) {
        text += decoder.decode(chunk, { stream: true });
        if (text.includes("\n")) resolve(text.slice(0, text.indexOf("\n")));
      },
      close() {
        end();
        fail("closed without an answer");
      },
      error: (_, error) => failWith(error),
    },
  });
  connection.catch(failWith);
  const abort = () => reject(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  const timer = setTimeout(() => fail(`nothing within ${seconds} s`), seconds * 1000);
  try {
    return { answer: await promise, closed };
  } catch (error) {
    void connection.then((socket) => socket.end()).catch(() => undefined);
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}
