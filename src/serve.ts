import { Agent } from "./agent.ts";
import { EXIT, VERSION } from "./cli.ts";
import { ConfigError, type Environment, readConfig } from "./config.ts";
import { formatAddress, type Listener, listen, readLingerCap } from "./listener.ts";
import { log, reasonOf } from "./log.ts";
import { receiveSignals } from "./signals.ts";

/** How long a stop waits for clients in flight and for a save, in milliseconds. */
const STOP_MS = 500;

/** Runs the agent; returns once it answers. What keeps it from that ends the program. */
export async function serve(env: Environment): Promise<void> {
  let listener: Listener | undefined;
  let closeControl: (() => void) | undefined;
  let stopping = 0;
  try {
    const config = readConfig(env);
    const { socket, goodbye, watch } = config;
    const agent = new Agent({ file: config.stateFile, mode: config.reply, watch });

    // Signals before the address: whoever gets an answer may signal.
    receiveSignals(agent, (cause) => void stop(cause));
    const [lingerCap] = await Promise.all([readLingerCap(), agent.start()]);

    // Who asks is of interest only to the runtime socket and to a goodbye.
    const pollers = socket || goodbye ? new (await import("./pollers.ts")).Pollers() : undefined;
    if (socket && pollers) {
      const { openControl } = await import("./control.ts");
      closeControl = await openControl(socket, agent, pollers);
    }
    listener = listen(config.listen, {
      lingerCap,
      reply: () => agent.reply,
      refresh: watch ? () => agent.refresh() : undefined,
      served: pollers && ((address) => pollers.record(address, agent.replyText)),
    });
    log("listening", {
      version: VERSION,
      address: formatAddress(config.listen),
      file: config.stateFile,
      reply: agent.replyText,
      socket,
    });

    /**
     * Ends the program once everybody has heard the goodbye, and replies and saves in flight are
     * done.
     */
    async function stop(cause: string): Promise<void> {
      stopping += 1;
      log("stopping", { cause });
      if (stopping === 1 && goodbye && pollers) {
        agent.sayGoodbye(goodbye.status);
        log("goodbye", { reply: agent.replyText, seconds: goodbye.seconds });
        await pollers.waitFor(() => agent.replyText, goodbye.seconds);
      }
      const finished = Promise.all([listener?.stop(STOP_MS), agent.settled()]);
      await Promise.race([finished, Bun.sleep(STOP_MS)]);
      // Last: whoever has asked for a save is told how it went.
      closeControl?.();
      process.exit(EXIT.ok);
    }
  } catch (error) {
    log(reasonOf(error));
    process.exit(error instanceof ConfigError ? EXIT.usage : EXIT.failure);
  }
}
