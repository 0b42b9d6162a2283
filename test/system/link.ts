import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { AgentProcess } from "../../scripts/lib/agent.ts";

/**
 * What becomes of what is sent: all comes through; what the agent sends is lost; the end of the next
 * connection is lost, not its data, and then everything; everything is lost.
 */
export type Treatment = "pass" | "deaf" | "endless" | "cut";

/** A link to an agent that may lose what it carries: `await using link = await startLink(agent)`. */
export async function startLink({ hostname: host, port }: AgentProcess) {
  let treatment: Treatment = "pass";
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (haproxy) => {
    if (treatment === "cut") {
      open.add(haproxy.on("error", () => undefined));
      return;
    }
    const agent = connect({ host, port, localAddress: "127.0.0.1", allowHalfOpen: true });
    carry(haproxy, agent, () => treatment !== "cut");
    carry(agent, haproxy, (isEnd) => {
      if (treatment === "endless" && isEnd) treatment = "cut";
      return treatment === "pass" || (treatment === "endless" && !isEnd);
    });
  });
  /** Carries data, end and reset of one side to the other, if they come through. */
  function carry(from: Socket, to: Socket, passes: (isEnd: boolean) => boolean): void {
    open.add(from);
    from.on("data", (chunk) => void (passes(false) && to.write(chunk)));
    from.on("end", () => void (passes(true) && to.end()));
    from.on("error", () => void (passes(true) && to.resetAndDestroy()));
  }
  server.listen(0, host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    treat(next: Treatment) {
      treatment = next;
    },
    [Symbol.dispose]() {
      for (const socket of open) socket.destroy();
      server.close();
    },
  };
}
