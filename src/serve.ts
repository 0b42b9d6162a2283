import { Agent } from "./agent.ts";
import { EXIT, VERSION } from "./cli.ts";
import { ConfigError, readConfig } from "./config.ts";
import { formatAddress, type Listener, listen, readLingerCap } from "./listener.ts";
import { log, reasonOf } from "./log.ts";
import { receiveSignals } from "./signals.ts";

/** How long a stop waits for clients in flight and for a save, in milliseconds. */
const STOP_MS = 500;

/** Runs the agent; returns once it answers. What keeps it from that ends the program. */
export async function serve(env: Record<string, string | undefined>): Promise<void> {
  let listener: Listener | undefined;
  let isStopping = false;
  try {
    const config = readConfig(env);
    const agent = new Agent(config.stateFile);

    // Signals before the address: whoever got an answer may signal.
    receiveSignals(agent, stop);

    await agent.start();
    const lingerCap = await readLingerCap();
    if (isStopping) return;
    listener = listen(config, lingerCap, () => agent.reply);
    log("listening", {
      version: VERSION,
      address: formatAddress(config),
      file: config.stateFile,
      reply: agent.replyText,
    });

    /** Ends the program, once the replies and the save in flight have had their time. */
    function stop(cause: string): void {
      if (isStopping) return;
      isStopping = true;
      log("stopping", { cause });
      const finished = Promise.all([listener?.stop(STOP_MS), agent.settled()]);
      void Promise.race([finished, Bun.sleep(STOP_MS)]).then(() => process.exit(EXIT.ok));
    }
  } catch (error) {
    log(reasonOf(error));
    process.exit(error instanceof ConfigError ? EXIT.usage : EXIT.failure);
  }
}
