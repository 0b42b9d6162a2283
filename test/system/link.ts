import { connect, type Socket } from "node:net";
import type { AgentProcess } from "../../scripts/lib/agent.ts";

/**
 * What becomes of what is sent: all comes through; the end of the next connection is lost, not its
 * data, and then everything; everything is lost.
 */
type Treatment = "pass" | "endless" | "cut";

/** A link to an agent that may lose what it carries: `using link = startLink(agent)`. */
export function startLink({ hostname: host, port }: AgentProcess) {
  let treatment: Treatment = "pass";
  const passes = () => treatment !== "cut";
  const agents = new Set<Socket>();
  const server = Bun.listen<Socket | undefined>({
    hostname: host,
    port: 0,
    allowHalfOpen: true,
    socket: {
      open(haproxy) {
        if (!passes()) return;
        const agent = connect({ host, port, localAddress: "127.0.0.1", allowHalfOpen: true });
        haproxy.data = agent;
        agents.add(agent.on("error", () => undefined));
        let reply = "";
        agent.on("data", (chunk) => {
          reply += chunk;
        });
        // With its end, as the agent sends it: HAProxy resets a connection whose end comes later.
        agent.on("end", () => {
          if (!passes()) return;
          haproxy.write(reply);
          if (treatment === "pass") haproxy.shutdown();
          else treatment = "cut";
        });
      },
      data: ({ data: agent }, chunk) => void (passes() && agent?.write(chunk)),
      end: ({ data: agent }) => void (passes() && agent?.end()),
      close({ data: agent }, error) {
        if (!passes()) return;
        if (error) agent?.resetAndDestroy();
        else agent?.end();
      },
    },
  });
  return {
    port: server.port,
    treat(next: Treatment) {
      treatment = next;
    },
    [Symbol.dispose]() {
      for (const agent of agents) agent.destroy();
      server.stop(true);
    },
  };
}
