// What commands say to the control socket: one command a connection, one line in answer.
import { codeOf, describeError } from "../errors.ts";

/** What helps a user who may not open the control socket. */
const RIGHTS = "use sudo, or HAPGENT_SOCKET_MODE=0660 and the group of the socket's directory";

/** There is no answer: no socket, no agent, no right, or an agent that ended before it answered. */
export class NoAnswerError extends Error {}

/** A connection whose command was answered. */
export interface Conversation {
  readonly answer: string;
  /** Resolves when the agent has closed it; one that holds a service stays open. */
  readonly closed: Promise<void>;
  readonly close: () => void;
}

/** Whom to ask, and how long to wait for the answer. */
export interface Question {
  /** The path of the control socket. */
  readonly path: string;
  readonly command: string;
  readonly seconds: number;
  /** Ends the waiting; the promise is then rejected with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Sends a command, and keeps the connection open.
 *
 * @throws {NoAnswerError} whose message says why there is no answer.
 */
export async function converse(question: Question): Promise<Conversation> {
  const { path, command, seconds, signal } = question;
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const decoder = new TextDecoder();
  let text = "";
  const { promise: closed, resolve: end } = Promise.withResolvers<void>();
  const fail = (why: string) => reject(new NoAnswerError(why));
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
  const close = () => void connection.then((socket) => socket.end()).catch(() => undefined);
  const abort = () => reject(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  const timer = setTimeout(() => fail(`nothing within ${seconds} s`), seconds * 1000);
  try {
    return { answer: await promise, closed, close };
  } catch (error) {
    close();
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}
