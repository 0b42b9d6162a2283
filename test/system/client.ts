import type { Socket } from "bun";
import { until } from "../../scripts/lib/until.ts";

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

/** Asks an agent as the poller with this address and this agent-send. */
export async function askFrom(
  address: string,
  { hostname, port }: { hostname: string; port: number },
  sent = "",
): Promise<string> {
  const socat = Bun.spawn(["socat", "-", `TCP4:${hostname}:${port},bind=${address}`], {
    stdio: [Buffer.from(sent), "pipe", "inherit"],
  });
  return await socat.stdout.text();
}
