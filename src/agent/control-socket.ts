import { chmod, chown, rename, stat, unlink } from "node:fs/promises";
import type { SocketHandler, UnixSocketListener } from "bun";
import { codeOf, describeError } from "../errors.ts";
import type { ControlContext } from "./control-call.ts";
import { type Clients, ControlClient, type Execute } from "./control-client.ts";
import { createExecute } from "./control-commands.ts";

/** The longest path of a socket, in bytes (unix(7)). */
const PATH_LIMIT = 107;

/** The socket's path is taken, by a live agent or by something else than a socket; or unusable. */
export class ControlSocketError extends Error {}

/**
 * Opens the control socket: one command a connection, one line in answer, `ok ...`, `error: ...` or
 * JSON, in the manner of HAProxy's own. It is bound under another name, gets its mode, and only
 * then takes its place, also that of a socket that nobody serves any more.
 *
 * @param mode 0600: for the agent's user; 0660: also for the group of the socket's directory.
 * @returns a function that closes the socket and removes it, unless another has taken its place.
 * @throws {ControlSocketError} when the path is in use or cannot be bound.
 */
export async function openControlSocket(
  path: string,
  mode: 0o600 | 0o660,
  context: ControlContext,
): Promise<() => Promise<void>> {
  const directory = path.slice(0, path.lastIndexOf("/") + 1);
  const temporary = `${directory}.${process.pid}`;
  let server: UnixSocketListener<ControlClient> | undefined;
  try {
    await refuseTaken(path);
    if (Buffer.byteLength(temporary) > PATH_LIMIT) throw new Error("its path is too long");
    await unlink(temporary).catch(() => undefined);
    server = bind(temporary, createExecute(context));
    if (mode === 0o660) await openToGroup(temporary, directory);
    const { ino } = await stat(temporary);
    await rename(temporary, path);
    return async () => {
      const there = await stat(path).catch(() => undefined);
      if (there?.ino === ino) await unlink(path).catch(() => undefined);
      server?.stop(true);
    };
  } catch (error) {
    server?.stop(true);
    throw new ControlSocketError(`cannot open the control socket ${path}: ${describeError(error)}`);
  }
}

/** Listens on a socket that only the agent's user may open. */
function bind(unix: string, execute: Execute): UnixSocketListener<ControlClient> {
  const clients: Clients = { asking: new Set(), staying: new Set() };
  const socket: SocketHandler<ControlClient> = {
    open(socket) {
      socket.data = new ControlClient(socket, clients, execute);
    },
    data: ({ data: client }, chunk) => client.read(chunk),
    end: ({ data: client }) => client.end(),
    drain: ({ data: client }) => client.resume(),
    close: ({ data: client }) => client.close(),
    error() {},
  };
  const umask = process.umask(0o177);
  try {
    return Bun.listen<ControlClient>({ unix, allowHalfOpen: true, socket });
  } finally {
    process.umask(umask);
  }
}

/** Opens the socket to the group of its directory: the group first, so that no other gets in. */
async function openToGroup(path: string, directory: string): Promise<void> {
  const { gid } = await stat(directory || ".");
  // Also a chown that changes nothing needs a right that a unit may not have.
  if ((await stat(path)).gid !== gid) {
    await chown(path, -1, gid).catch((error: unknown) => {
      throw new Error(`cannot give it the group of its directory: ${describeError(error)}`);
    });
  }
  await chmod(path, 0o660);
}

/** Refuses a path where somebody accepts connections, or where something else is. */
async function refuseTaken(path: string): Promise<void> {
  const there = await stat(path).catch(() => undefined);
  if (!there) return;
  if (!there.isSocket()) throw new Error("it is not a socket");
  const error = await Bun.connect({ unix: path, socket: { data() {} } }).then(
    (socket) => void socket.end(),
    (problem: unknown) => problem,
  );
  if (error === undefined) throw new Error("another agent serves it");
  if (codeOf(error) !== "ECONNREFUSED") throw error;
}
