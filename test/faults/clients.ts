import type { Socket } from "bun";

/**
 * How long a client that never closes holds its connection, when the agent does not close it
 * before.
 */
const HOLD_MS = 1000;

const MEGABYTE = new Uint8Array(2 ** 20);

/** A client that misbehaves; resolves when it is gone. */
export type Client = (port: number) => Promise<void>;

/** Connects and resets. */
export const resetting: Client = (port) => hold(port, (socket) => socket.terminate());

/** Connects, never sends, never closes. */
export const silent: Client = (port) => hold(port, () => undefined);

/** As silent, and for longer than the agent lets it: it fails when it is not closed. */
export const stubborn: Client = async (port) => {
  if (!(await connect(port, () => undefined, 20 * HOLD_MS))) throw new Error("not closed");
};

/** Sends a megabyte and never reads. */
export const flooding: Client = (port) =>
  hold(port, (socket) => {
    socket.pause();
    socket.write(MEGABYTE);
  });

/** Sends one byte a second, for as long as it is let. */
export const dripping: Client = (port) =>
  hold(
    port,
    (socket) => {
      const timer = setInterval(() => {
        if (socket.readyState <= 0 || socket.write("x") < 0) clearInterval(timer);
      }, 1000);
      socket.write("x");
    },
    2 * HOLD_MS,
  );

/** Closes its sending half at once. */
export const halfClosing: Client = (port) => hold(port, (socket) => socket.shutdown());

/** Names a service, and closes its sending half. */
export const halfClosingNamed: Client = (port) => hold(port, nameAndHalfClose);

export function nameAndHalfClose(socket: Socket): void {
  socket.write("web\n");
  socket.shutdown();
}

/** Keeps so many clients going at a time until `total` have been. */
export async function runClients(
  port: number,
  kinds: readonly Client[],
  total: number,
  concurrency: number,
): Promise<void> {
  let started = 0;
  const work = async () => {
    while (started < total) {
      const kind = kinds[started % kinds.length];
      started += 1;
      await kind?.(port);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
}

type Mischief = (socket: Socket) => void;

async function hold(port: number, misbehave: Mischief, milliseconds = HOLD_MS): Promise<void> {
  await connect(port, misbehave, milliseconds);
}

/**
 * Connects, does its mischief and holds the connection until it is closed by the agent, or for so
 * long; tells whether the agent has closed it.
 */
async function connect(port: number, misbehave: Mischief, milliseconds: number): Promise<boolean> {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    allowHalfOpen: true,
    socket: {
      open: misbehave,
      data() {},
      drain() {},
      end() {},
      error() {},
      close: () => resolve(),
      connectError: () => resolve(),
    },
  }).catch(() => undefined);
  if (!socket) return true;
  const end = closed.then(() => true);
  const isClosed = await Promise.race([end, Bun.sleep(milliseconds).then(() => false)]);
  socket.terminate();
  return isClosed;
}
