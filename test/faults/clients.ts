// Hostile clients of an agent on this machine, some hundreds at a time: bun clients.ts PORT COUNT KIND...
import { Connection } from "../contract/connection.ts";

/** How long a client that never closes holds its connection, in milliseconds. */
const HOLD_MS = 300;

/** The most that are begun at a time: what the kernel lets wait for an agent is some 500. */
const AT_ONCE = 400;

/** What hostile clients do when they are connected. */
const KINDS: Record<string, (client: Connection) => void> = {
  resetting: ({ socket }) => void socket.resetAndDestroy(),
  silent() {},
  /** Sends a megabyte, and never reads. */
  flooding(client) {
    client.socket.pause();
    client.send("x".repeat(2 ** 20));
  },
  dripping(client) {
    client.send("x");
    setTimeout(() => client.send("x"), HOLD_MS / 2);
  },
  halfClosing: (client) => client.end(),
  /** Names a service, and closes its sending half. */
  named: (client) => client.end("web\n"),
};

const [port, count, ...kinds] = Bun.argv.slice(2);
let begun = 0;

async function work(): Promise<void> {
  while (begun < Number(count)) {
    const misbehave = KINDS[kinds[begun++ % kinds.length] ?? ""];
    if (!misbehave) throw new Error(`expected kinds, each one of ${Object.keys(KINDS)}`);
    // One that gives way may be closed before it sees that it is connected.
    const client = await Connection.open({ host: "127.0.0.1", port: Number(port) }).catch(() => {});
    if (!client) continue;
    const closed = new Promise((resolve) => client.socket.once("close", resolve));
    misbehave(client);
    await Promise.race([closed, Bun.sleep(HOLD_MS)]);
    client[Symbol.dispose]();
  }
}

await Promise.all(Array.from({ length: AT_ONCE }, work));
process.exit();
