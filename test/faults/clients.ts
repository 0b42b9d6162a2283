// Hostile clients of an agent on this machine; as a program, `bun clients.ts PORT COUNT`: so many of all
// kinds, from a process of their own.
import type { Socket } from "bun";

/** How long a client that never closes holds its connection, in milliseconds. */
const HOLD_MS = 300;

/** The most that are begun at a time: what the kernel lets wait for an agent is some 500. */
const AT_ONCE = 400;

const MEGABYTE = new Uint8Array(2 ** 20);

/** What hostile clients do when they are connected. */
const KINDS = {
  resetting: (socket: Socket) => socket.terminate(),
  silent() {},
  /** Sends a megabyte, and never reads. */
  flooding(socket: Socket) {
    socket.pause();
    socket.write(MEGABYTE);
  },
  dripping(socket: Socket) {
    const timer = setInterval(() => {
      if (socket.readyState <= 0 || socket.write("x") < 0) clearInterval(timer);
    }, HOLD_MS / 2);
    socket.write("x");
  },
  halfClosing: (socket: Socket) => socket.shutdown(),
  /** Names a service, and closes its sending half. */
  named(socket: Socket) {
    socket.write("web\n");
    socket.shutdown();
  },
};

export type Kind = keyof typeof KINDS;

/** A client that is connected. */
interface Client {
  /** Resolves when the agent has answered or closed. */
  readonly answered: Promise<void>;
  /** Resolves when the agent has closed. */
  readonly closed: Promise<void>;
  end(): void;
}

/** Connects a client and lets it misbehave; one that is refused has had its answer. */
export async function connect(port: number, kind: Kind): Promise<Client> {
  const answered = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const end = () => {
    answered.resolve();
    closed.resolve();
  };
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    allowHalfOpen: true,
    socket: {
      open: KINDS[kind],
      data: () => answered.resolve(),
      drain() {},
      end: () => answered.resolve(),
      error() {},
      close: end,
      connectError: end,
    },
  }).catch(end);
  return { answered: answered.promise, closed: closed.promise, end: () => socket?.terminate() };
}

/** Keeps up to 400 clients going at a time, of all kinds, until there have been so many. */
async function runClients(port: number, count: number): Promise<void> {
  const kinds = Object.keys(KINDS) as Kind[];
  let begun = 0;
  const work = async () => {
    while (begun < count) {
      const client = await connect(port, kinds[begun++ % kinds.length] ?? "silent");
      await Promise.race([client.closed, Bun.sleep(HOLD_MS)]);
      client.end();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

if (import.meta.main) {
  await runClients(Number(Bun.argv[2]), Number(Bun.argv[3]));
  process.exit();
}
