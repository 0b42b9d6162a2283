import { connect } from "node:net";
import type { Socket } from "bun";
import type { AgentProcess } from "../../scripts/lib/agent.ts";
import { until } from "../../scripts/lib/until.ts";
import { ask } from "../../src/commands/conversation.ts";

/** A client of the control socket: `using client = await Client.connect(agent.socket)`. */
export class Client implements Disposable {
  text = "";
  isClosed = false;
  #socket: Socket | undefined;

  static async connect(path: string): Promise<Client> {
    const client = new Client();
    client.#socket = await Bun.connect({
      unix: path,
      socket: {
        data: (_, chunk) => {
          client.text += chunk.toString();
        },
        close: () => {
          client.isClosed = true;
        },
        error: () => undefined,
      },
    });
    return client;
  }

  /** Sends bytes as they are. */
  send(text: string): void {
    this.#socket?.write(text);
  }

  /** From now on reads nothing. */
  pause(): void {
    this.#socket?.pause();
  }

  /** Waits until so many lines have come since the connection was opened, and returns them. */
  answers(count: number): Promise<string[]> {
    return until(`${count} answers`, () => {
      const lines = this.text.split("\n").slice(0, -1);
      return lines.length >= count ? lines : undefined;
    });
  }

  /** Waits until the agent has closed the connection, and returns all that it sent. */
  async closed(): Promise<string> {
    await until("the agent closes the connection", () => this.isClosed);
    return this.text;
  }

  [Symbol.dispose](): void {
    this.#socket?.end();
  }
}

/**
 * An address of this machine that nobody else asks. On 127.0.0.1 clients of other tests, whose
 * agents have ended, may ask whatever has got their port by now: they would be pollers, too.
 */
export const QUIET = "127.5.0.1";

/** Checks as HAProxy does, from this address: it reads to the end, and then closes. */
export async function checkFrom(
  localAddress: string,
  { hostname, port }: { hostname: string; port: number },
  sent = "",
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect({ host: hostname, port, localAddress });
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk;
  });
  socket.on("close", () => resolve(text)).on("error", reject);
  socket.write(sent);
  return await promise;
}

/** Sends a command to the control socket, as `hapgent ctl` does, and returns the answer. */
export async function tell({ socket }: AgentProcess, command: string): Promise<string> {
  return await ask({ path: socket, command, seconds: 600 });
}

/** A row of `show pollers`. */
export interface PollerRow {
  readonly address: string;
  readonly sent: string | null;
  readonly interval: number | null;
  readonly isServed: boolean;
  readonly why: string;
}

/** Who asks, as the agent knows it. */
export async function listPollers(agent: AgentProcess): Promise<PollerRow[]> {
  return JSON.parse(await tell(agent, "show pollers"));
}

/** Waits until so many were served the present reply, and asked twice: no other line is expected. */
export async function settled(agent: AgentProcess, count: number): Promise<void> {
  await until(
    `${count} pollers`,
    async () => {
      const rows = await listPollers(agent);
      return rows.filter((row) => row.isServed && row.interval !== null).length === count;
    },
    30_000,
  );
}
