import type { Socket, SocketHandler } from "bun";
import { codeOf, describeError } from "../errors.ts";
import type { Descriptors } from "./descriptors.ts";

/** Maximum number of concurrent clients. */
const CLIENT_LIMIT = 16;
/** Longest command, in bytes. */
const LINE_LIMIT = 1024;
/** Commands that a client may send before they are answered, in bytes. */
const BACKLOG_LIMIT = 64 * 1024;
/**
 * A client that is silent for this time (ms) is closed, unless it waits for an answer; so is one
 * that does not read its answer.
 */
const IDLE_MS = 5000;

const TOO_LONG = `error: expected a line of at most ${LINE_LIMIT} bytes`;

/** The socket's path is taken, by a live agent or by something else than a socket; or unusable. */
export class ControlSocketError extends Error {}

/**
 * Executes one command and returns the line that answers it; `isWanted` tells whether somebody
 * still waits for it.
 */
export type Execute = (line: string, isWanted: () => boolean) => Promise<string>;

interface Client {
  /** What was sent and not yet handled. */
  rest: string;
  isBusy: boolean;
  /** It sends no more, and still reads. */
  hasEnded: boolean;
  isClosed: boolean;
  timer: Timer | undefined;
  /** Called when it can take more of an answer, or has gone. */
  resume: (() => void) | undefined;
}

/** How the control socket is opened, and what it does. */
export interface ControlSocketOptions {
  /** 0600: for the agent's user; 0660: also for the group of the socket's directory. */
  readonly mode: 0o600 | 0o660;
  readonly execute: Execute;
  readonly descriptors: Descriptors;
}

/**
 * Opens the control socket: one command a line, one line in answer, `ok ...`, `error: ...` or JSON,
 * in the manner of HAProxy's own. A socket that nobody serves any more is taken over.
 *
 * @returns a function that closes the socket and removes it, unless another has taken its place.
 * @throws {ControlSocketError} when the path is in use or cannot be bound.
 */
export async function openControlSocket(
  path: string,
  { mode, execute, descriptors }: ControlSocketOptions,
): Promise<() => Promise<void>> {
  descriptors.reserveClients(CLIENT_LIMIT);
  await removeStale(path);
  const { handler } = new Clients(execute, descriptors);
  const server = bind(path, handler);
  const inode = await readInode(path);
  if (mode === 0o660) {
    try {
      await openToGroup(path);
    } catch (error) {
      server.stop(true);
      const why = describeError(error);
      throw new ControlSocketError(`cannot give ${path} the group of its directory: ${why}`);
    }
  }
  return async () => {
    // Stopping removes whatever is at the path, the socket of a successor too.
    if ((await readInode(path)) === inode) server.stop(true);
  };
}

/** Opens the socket to the group of its directory: the group first, so that no other gets in. */
async function openToGroup(path: string): Promise<void> {
  const { chmod, chown, stat } = await import("node:fs/promises");
  const { gid } = await stat(path.slice(0, path.lastIndexOf("/") + 1) || ".");
  await chown(path, -1, gid);
  await chmod(path, 0o660);
}

function bind(path: string, socket: SocketHandler<Client>): { stop(closeAll: boolean): void } {
  // The mode of a socket is that of its creation: with a chmod it would be open to all for a
  // moment.
  const umask = process.umask(0o177);
  try {
    return Bun.listen<Client>({ unix: path, allowHalfOpen: true, socket });
  } catch (error) {
    throw refusal(path, describeError(error));
  } finally {
    process.umask(umask);
  }
}

/** The clients of the control socket. */
class Clients {
  readonly #execute: Execute;
  readonly #descriptors: Descriptors;

  constructor(execute: Execute, descriptors: Descriptors) {
    this.#execute = execute;
    this.#descriptors = descriptors;
  }

  readonly handler: SocketHandler<Client> = {
    open: (socket) => {
      socket.data = {
        ...{ rest: "", isBusy: false, hasEnded: false, isClosed: false },
        ...{ timer: undefined, resume: undefined },
      };
      if (this.#descriptors.admitClient(socket)) closeWhenIdle(socket);
      else this.#refuse(socket);
    },
    data: (socket, chunk) => {
      // One character a byte: a line is decoded once it is whole.
      socket.data.rest += chunk.toString("latin1");
      if (socket.data.rest.length > BACKLOG_LIMIT) socket.end("error: too many commands\n");
      else void this.#work(socket);
    },
    end: (socket) => {
      socket.data.hasEnded = true;
      void this.#work(socket);
    },
    drain: (socket) => socket.data.resume?.(),
    close: (socket) => {
      this.#descriptors.leaveClient(socket);
      socket.data.isClosed = true;
      socket.data.resume?.();
      clearTimeout(socket.data.timer);
    },
    error() {},
  };

  #refuse(socket: Socket<Client>): void {
    const { clientCap } = this.#descriptors;
    const why =
      clientCap > 0
        ? `more than ${clientCap} clients`
        : "too few open files are allowed (ulimit -n)";
    socket.end(`error: ${why}\n`);
  }

  /** Handles a client's commands, one after another, each answered before the next. */
  async #work(socket: Socket<Client>): Promise<void> {
    const client = socket.data;
    if (client.isBusy) return;
    client.isBusy = true;
    clearTimeout(client.timer);
    for (let end = client.rest.indexOf("\n"); end >= 0; end = client.rest.indexOf("\n")) {
      // As it was typed: an error shows it.
      const line = Buffer.from(client.rest.slice(0, end), "latin1").toString();
      client.rest = client.rest.slice(end + 1);
      const answer =
        line.length > LINE_LIMIT ? TOO_LONG : await this.#execute(line, () => !client.isClosed);
      await writeAll(socket, `${answer}\n`);
    }
    client.isBusy = false;
    if (client.isClosed) return;
    if (client.rest.length > LINE_LIMIT) socket.end(`${TOO_LONG}\n`);
    // Half a line may be half a number: it is not executed.
    else if (client.hasEnded) socket.end(client.rest && "error: expected a newline at the end\n");
    else closeWhenIdle(socket);
  }
}

/** Writes an answer, as fast as the client reads it; one that does not is closed. */
async function writeAll(socket: Socket<Client>, answer: string): Promise<void> {
  const client = socket.data;
  let rest = new TextEncoder().encode(answer);
  while (!client.isClosed) {
    rest = rest.subarray(Math.max(0, socket.write(rest)));
    if (rest.length === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    client.resume = resolve;
    client.timer = setTimeout(() => socket.terminate(), IDLE_MS);
    await promise;
    clearTimeout(client.timer);
  }
  client.rest = "";
}

function closeWhenIdle(socket: Socket<Client>): void {
  clearTimeout(socket.data.timer);
  socket.data.timer = setTimeout(() => socket.end("error: idle for 5 s\n"), IDLE_MS);
}

/** Removes a socket that an agent has left behind: one that refuses connections. */
async function removeStale(path: string): Promise<void> {
  const file = Bun.file(path);
  const stat = await file.stat().catch(() => undefined);
  if (!stat) return;
  if (!stat.isSocket()) throw refusal(path, "it is not a socket");
  const error = await Bun.connect({ unix: path, socket: { data() {} } }).then(
    (socket) => void socket.end(),
    (problem: unknown) => problem,
  );
  if (error === undefined) throw refusal(path, "another agent serves it");
  if (codeOf(error) !== "ECONNREFUSED") throw refusal(path, describeError(error));
  // The runtime says the same of a live agent whose backlog is full (EAGAIN).
  if ((await countSockets(path)) > CLIENT_LIMIT + 1)
    throw refusal(path, "another agent serves it, but does not answer");
  // Another start may have been faster.
  if ((await readInode(path)) === stat.ino) await file.delete();
}

/** Counts the sockets of this network namespace that were bound or accepted at a path. */
async function countSockets(path: string): Promise<number> {
  const sockets = await Bun.file("/proc/net/unix").text();
  return sockets.split(` ${path}\n`).length - 1;
}

/** The inode number of the file at a path, if there is one. */
async function readInode(path: string): Promise<number | undefined> {
  const stat = await Bun.file(path)
    .stat()
    .catch(() => undefined);
  return stat?.ino;
}

function refusal(path: string, why: string): ControlSocketError {
  return new ControlSocketError(`cannot open the control socket ${path}: ${why}`);
}
