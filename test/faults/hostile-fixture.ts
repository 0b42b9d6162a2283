// Hostile clients of an agent on this machine: PORT KIND AMOUNT, 400 at a time: of mixed kinds so
// many, of one kind for so many seconds. Prints how many there were. The kernel lets some 500 wait
// for an agent; more at a time would be lost before it sees them, and honest ones with them.
import type { Socket } from "bun";
import {
  dripping,
  flooding,
  halfClosing,
  halfClosingNamed,
  nameAndHalfClose,
  resetting,
  runClients,
  silent,
} from "./clients.ts";

const AT_ONCE = 400;

const [port, kind, amount] = [Number(Bun.argv[2]), Bun.argv[3], Number(Bun.argv[4])];
if (kind === "mixed") {
  const kinds = [resetting, silent, flooding, dripping, halfClosing, halfClosingNamed];
  await runClients(port, kinds, amount, AT_ONCE);
  console.log(amount);
} else {
  const open = kind === "silent" ? () => undefined : nameAndHalfClose;
  console.log(await flood(open));
}
process.exit();

/** Begins another client whenever one has its reply, or none, and holds the connection. */
async function flood(open: (socket: Socket) => void): Promise<number> {
  const end = performance.now() + amount * 1000;
  let made = 0;
  const work = async () => {
    for (; performance.now() < end; made += 1) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const socket = { open, data() {}, drain() {}, error() {}, end: () => resolve() };
      await Bun.connect({
        hostname: "127.0.0.1",
        port,
        allowHalfOpen: true,
        socket: { ...socket, close: () => resolve() },
      }).then(() => promise, resolve);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return made;
}
