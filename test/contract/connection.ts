import { connect, type Socket, type TcpSocketConnectOpts } from "node:net";
import { until } from "../../scripts/lib/until.ts";

/** Where to connect to: an agent's port, perhaps from an address of ours, or its control socket. */
export type Place = string | Pick<TcpSocketConnectOpts, "host" | "port" | "localAddress">;

/** A connection as a client sees it: `using client = await Connection.open(agent.socket)`. */
export class Connection implements Disposable {
  text = "";
  /** How the other side has ended: it sends no more, the connection is closed, or it was reset. */
  ended: "no" | "half" | "closed" | "reset" = "no";
  readonly socket: Socket;

  private constructor(place: Place) {
    this.socket = connect({
      ...(typeof place === "string" ? { path: place } : place),
      allowHalfOpen: true,
      noDelay: true,
    });
    this.socket
      .on("data", (chunk) => {
        this.text += chunk.toString("latin1");
      })
      .on("end", () => {
        this.ended = "half";
      })
      .on("error", () => {
        this.ended = "reset";
      })
      .on("close", () => {
        if (this.ended !== "reset") this.ended = "closed";
      });
  }

  static async open(place: Place, sent = ""): Promise<Connection> {
    const client = new Connection(place);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    client.socket.once("connect", resolve).once("error", (error) => {
      // It was accepted, and closed at once.
      if ("code" in error && error.code === "ECONNRESET") resolve();
      else reject(error);
    });
    await promise;
    client.send(sent);
    return client;
  }

  /** Sends bytes as they are. */
  send(text: string): void {
    if (text !== "") this.socket.write(text, "latin1");
  }

  /** Sends no more; it may still read. */
  end(text = ""): void {
    this.socket.end(text, "latin1");
  }

  /** Waits until so many lines have come, and returns them. */
  lines(count = 1): Promise<string[]> {
    return until(`${count} lines`, () => {
      const lines = this.text.split("\n").slice(0, -1);
      return lines.length >= count ? lines : undefined;
    });
  }

  /** Waits until the other side sends no more, closes, and returns all that it sent. */
  async rest(): Promise<string> {
    await until("the agent's end", () => this.ended !== "no");
    this.socket.destroy();
    return this.text;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
