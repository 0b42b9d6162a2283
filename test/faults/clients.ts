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
export const resetting: Client = (port) => connect(port, (socket) => socket.terminate());

/** Connects, never sends, never closes. */
export const silent: Client = (port) => connect(port, () => undefined);

/** As silent, and for longer than the agent lets it. */
export const stubborn: Client = (port) => connect(port, () => undefined, 20 * HOLD_MS);

/** Sends a megabyte and never reads. */
export const flooding: Client = (port) =>
  connect(port, (socket) => {
    socket.pause();
    socket.write(MEGABYTE);
  });

/** Sends one byte a second, for as long as it is let. */
export const dripping: Client = (port) =>
  connect(
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
export const halfClosing: Client = (port) => connect(port, (socket) => socket.shutdown());

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

/**
 * Connects, does its mischief and holds the connection until it is closed by the agent, or for so
 * long.
 */
async function connect(
  port: number,
  misbehave: (socket: Socket) => void,
  hold = HOLD_MS,
): Promise<void> {
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
  if (!socket) return;
  await Promise.race([closed, Bun.sleep(hold)]);
  socket.terminate();
}
