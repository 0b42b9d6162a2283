import { version } from "../../package.json";
import { formatAddress } from "../address.ts";
import { ConfigError, type Environment, readConfig } from "../config.ts";
import { describeError } from "../errors.ts";
import { EXIT } from "../exit.ts";
import { log } from "../log.ts";
import { removeLeftover } from "../state/file.ts";
import { Events } from "./events.ts";
import { type Listener, listen, readLingerCap } from "./listener.ts";
import { Service } from "./service.ts";
import { receiveSignals } from "./signals.ts";
import { Watcher } from "./watcher.ts";

/** How long a stop waits for clients in flight and for a save, in milliseconds. */
const STOP_MS = 500;

/** Runs the agent; returns once it answers. What keeps it from that ends the program. */
export async function serve(env: Environment): Promise<void> {
  let listener: Listener | undefined;
  let closeControl: (() => void) | undefined;
  let stopping = 0;
  try {
    const config = readConfig(env);
    const { socket, stop: stopStatus, watch, stateFile } = config;
    const events = new Events();
    const service = new Service({ file: stateFile, mode: config.reply, watch });

    // The first event: what signals ask for is done to the file's state, not in its place.
    const started = events.request(async () => {
      await removeLeftover(stateFile);
      await service.start();
    });
    // Signals before the address: whoever gets an answer may signal.
    receiveSignals(events, service, (cause) => void stop(cause));
    const [lingerCap] = await Promise.all([readLingerCap(), started]);

    // Who asks is of interest only to the control socket and to a stop status.
    const pollers = socket || stopStatus ? new (await import("./pollers.ts")).Pollers() : undefined;
    if (socket && pollers) {
      const { openControlSocket } = await import("./control-socket.ts");
      const { createExecute } = await import("./control-commands.ts");
      closeControl = await openControlSocket(socket, createExecute({ service, events, pollers }));
    }
    const watcher = watch ? new Watcher(events) : undefined;
    listener = listen(config.listen, {
      lingerCap,
      answer: watcher
        ? async () => {
            await watcher.refresh(service);
            return service.reply.bytes;
          }
        : () => service.reply.bytes,
      isAsync: watch,
      served: pollers && ((address) => pollers.record(address, service.reply.text)),
    });
    log("listening", {
      version,
      address: formatAddress(config.listen),
      file: stateFile,
      reply: service.reply.text,
      socket,
    });

    /**
     * Ends the program once every poller was served the stop status, and replies and saves in flight
     * are done.
     */
    async function stop(cause: string): Promise<void> {
      stopping += 1;
      log("stopping", { cause });
      if (stopping === 1 && stopStatus && pollers) {
        service.answerWhileStopping(stopStatus.status);
        log("stop status", { reply: service.reply.text, seconds: stopStatus.seconds });
        await pollers.waitFor(() => service.reply.text, stopStatus.seconds);
      }
      const finished = Promise.all([listener?.stop(STOP_MS), events.settled()]);
      await Promise.race([finished, Bun.sleep(STOP_MS)]);
      // Last: whoever has asked for a save is told how it went.
      closeControl?.();
      process.exit(EXIT.ok);
    }
  } catch (error) {
    log(describeError(error));
    process.exit(error instanceof ConfigError ? EXIT.usage : EXIT.failure);
  }
}
