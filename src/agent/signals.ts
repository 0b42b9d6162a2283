import { withStatus } from "../state/state.ts";
import type { Events } from "./events.ts";
import type { Services } from "./services.ts";

/**
 * Turns signals into events: SIGUSR1 and SIGUSR2 act on the host, SIGHUP on all files. SIGTERM and
 * SIGINT call `stop`. Until this has run, the default action of SIGHUP, SIGUSR1 and SIGUSR2 ends
 * the process, so it comes before the address is bound: a client that gets an answer may signal.
 */
export function receiveSignals(
  events: Events,
  services: Services,
  stop: (cause: string) => void,
): void {
  process.on("SIGHUP", () => events.signal("reload", () => services.reload("SIGHUP")));
  for (const [signal, status] of [
    ["SIGUSR1", "UP"],
    ["SIGUSR2", "DOWN"],
  ] as const) {
    process.on(signal, () =>
      events.signal("set", () => services.host.set(withStatus(status), signal)),
    );
  }
  process.on("SIGTERM", () => stop("SIGTERM"));
  process.on("SIGINT", () => stop("SIGINT"));
}
