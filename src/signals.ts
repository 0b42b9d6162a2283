import { type Agent, withStatus } from "./agent.ts";

/**
 * Turns signals into events of the agent; SIGTERM and SIGINT call `stop`. Until this has run the
 * default action of SIGHUP, SIGUSR1 and SIGUSR2 ends the process, so it comes before the address is
 * bound: whoever got an answer may signal.
 */
export function receiveSignals(agent: Agent, stop: (cause: string) => void): void {
  const up = { kind: "set", cause: "SIGUSR1", change: withStatus("UP") } as const;
  const down = { kind: "set", cause: "SIGUSR2", change: withStatus("DOWN") } as const;
  process.on("SIGHUP", () => agent.push({ kind: "reload", cause: "SIGHUP" }));
  process.on("SIGUSR1", () => agent.push(up));
  process.on("SIGUSR2", () => agent.push(down));
  process.on("SIGTERM", () => stop("SIGTERM"));
  process.on("SIGINT", () => stop("SIGINT"));
}
