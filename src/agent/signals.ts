import { type Status, withStatus } from "../state/state.ts";
import type { Files } from "./files.ts";

/** The signals that the agent acts on. */
type Signal = "SIGHUP" | "SIGUSR1" | "SIGUSR2" | "SIGTERM" | "SIGINT";

/** Where signals come from: the process, or a test. */
export interface SignalSource {
  on(signal: Signal, listener: () => void): unknown;
}

/**
 * Acts on signals: SIGUSR1 and SIGUSR2 set the host, SIGHUP reads all files. SIGTERM and SIGINT
 * call `stop`. Until this has run, the default action of SIGHUP, SIGUSR1 and SIGUSR2 ends the
 * process, so it comes before the address is bound: a client that gets an answer may signal.
 */
export function receiveSignals(
  source: SignalSource,
  files: Files,
  stop: (cause: string) => void,
): void {
  source.on("SIGHUP", () => void files.reload("SIGHUP"));
  const set = (status: Status, cause: string) =>
    void files.set(undefined, ({ state }) => withStatus(state, status), cause);
  source.on("SIGUSR1", () => set("UP", "SIGUSR1"));
  source.on("SIGUSR2", () => set("DOWN", "SIGUSR2"));
  source.on("SIGTERM", () => stop("SIGTERM"));
  source.on("SIGINT", () => stop("SIGINT"));
}
