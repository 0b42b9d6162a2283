import { version } from "../../package.json";
import { formatAddress } from "../address.ts";
import { describeError } from "../errors.ts";
import { EXIT } from "../exit.ts";
import { leaveTerminal, log, logged } from "../log.ts";
import { PROBE_MARK } from "../sent.ts";
import {
  type Config,
  ConfigError,
  type Environment,
  findUnknownVariables,
  readConfig,
} from "../settings.ts";
import { Descriptors } from "./descriptors.ts";
import { Events } from "./events.ts";
import { type Listener, listen } from "./listener.ts";
import type { Pollers } from "./pollers.ts";
import type { Reply } from "./service.ts";
import { Services } from "./services.ts";
import { receiveSignals } from "./signals.ts";
import type { Untuned } from "./tuning.ts";
import type { Watcher } from "./watcher.ts";

/** How long a start waits for the state file, in milliseconds. */
const START_MS = 5000;

/** How long a stop waits for clients in flight, in milliseconds. */
const STOP_MS = 500;

/** How long it waits for changes that are being saved, in milliseconds. */
const SAVE_MS = 5000;

/** Runs the agent; returns once it answers. An error before that ends the program. */
export async function serve(env: Environment, untuned?: Untuned): Promise<void> {
  if (untuned) {
    const { message, program, error } = untuned;
    log(message, { program, error: error === undefined ? undefined : describeError(error) });
  }
  try {
    const config = readConfig(env);
    for (const { name, nearest } of findUnknownVariables(env)) {
      log("unknown variable, ignored", { name, nearest });
    }
    await new Agent(config).start();
    await leaveTerminal(env);
  } catch (error) {
    log(describeError(error));
    process.exit(error instanceof ConfigError ? EXIT.usage : EXIT.failure);
  }
}

/**
 * Ends a start that waits in vain for its file: where no thread can be started, the runtime never
 * says so.
 */
function giveUp(file: string): void {
  const seconds = START_MS / 1000;
  const causes = "its disk hangs, or no thread may be started (pids limit, ulimit -u, seccomp)";
  log(`cannot start: ${file} was not read within ${seconds} s: ${causes}`);
  process.exit(EXIT.failure);
}

/** A running agent: its parts, made one after another, and how it stops, even during its start. */
class Agent {
  readonly #config: Config;
  readonly #events = new Events();
  readonly #descriptors = new Descriptors();
  readonly #services: Services;
  #pollers: Pollers | undefined;
  #listener: Listener | undefined;
  /** Closes the control socket, once it is open. */
  #control: Promise<() => Promise<void>> | undefined;
  /** How many signals to stop have come. */
  #stops = 0;

  constructor(config: Config) {
    this.#config = config;
    this.#services = new Services({
      file: config.stateFile,
      directory: config.services,
      mode: config.reply,
      watch: config.watch,
      changing: () => this.#pollers?.forgetSilent(),
    });
  }

  async start(): Promise<void> {
    const {
      socket,
      services: directory,
      listen: [address = { fd: 3 }],
      stateFile,
      reply,
      stop,
      watch,
    } = this.#config;
    if (reply === "exact" && (directory || stop)) {
      const beside = directory ? "HAPGENT_SERVICES" : "HAPGENT_STOP_STATUS";
      log(`HAPGENT_REPLY=exact beside ${beside}: what HAProxy was told before stays in force`);
    }
    const deadline = setTimeout(giveUp, START_MS, stateFile);
    // The first event: what signals ask for is done to the file's state, not in its place.
    const started = this.#events.request(() => this.#services.start(() => clearTimeout(deadline)));
    // Signals before the address: a client that gets an answer may signal.
    receiveSignals(this.#events, this.#services, (cause) => void this.#stop(cause));
    await started;
    // Only the control socket and a stop status need to know who asks.
    if (socket || stop) this.#pollers = new (await import("./pollers.ts")).Pollers(this.#services);
    const watcher = watch
      ? new (await import("./watcher.ts")).Watcher(this.#services, this.#events)
      : undefined;
    if (this.#stops > 0) return;
    this.#listener = this.#listen(watcher);
    await this.#openControl();
    log("listening", {
      version,
      address: formatAddress(address),
      file: stateFile,
      reply: this.#services.host.reply.text,
      services: directory && this.#services.named.length,
      socket,
    });
  }

  #listen(watcher: Watcher | undefined): Listener {
    const services = this.#services;
    const pollers = this.#pollers;
    const [address = { fd: 3 }] = this.#config.listen;
    return listen<Reply>(address, {
      descriptors: this.#descriptors,
      answer: (sent) => services.answer(sent),
      refresh: watcher && ((sent) => watcher.refresh(sent)),
      isComplete: services.areSeveral ? (sent) => services.isComplete(sent) : undefined,
      closed:
        pollers &&
        (({ address, sent, answer, isServed }) => {
          if (sent.startsWith(PROBE_MARK)) return;
          pollers.record({ address, sent }, isServed ? answer.text : undefined);
        }),
    });
  }

  async #openControl(): Promise<void> {
    const { socket, socketMode, watch } = this.#config;
    const pollers = this.#pollers;
    if (socket === undefined || pollers === undefined) return;
    const { openControlSocket } = await import("./control-socket.ts");
    const context = { services: this.#services, events: this.#events, pollers, watch };
    this.#control = openControlSocket(socket, {
      mode: socketMode,
      // Loaded by the first command.
      execute: async (line, isWanted) => {
        const { createExecute } = await import("./control-commands.ts");
        return await createExecute(context)(line, isWanted);
      },
      descriptors: this.#descriptors,
    });
    await this.#control;
  }

  /**
   * Ends the program once every poller was served the stop status, and replies and saves in flight
   * are done. A second signal does not wait for the pollers.
   */
  async #stop(cause: string): Promise<void> {
    this.#stops += 1;
    log("stopping", { cause });
    const { stop } = this.#config;
    if (this.#stops === 1 && stop && this.#pollers && this.#listener) {
      const services = this.#services;
      services.answerWhileStopping(stop.status);
      log("stop status", { reply: services.host.reply.text, seconds: stop.seconds });
      await this.#pollers.tellAll(stop.seconds);
    }
    this.#services.stopReading();
    const settled = this.#events.settled().then(() => true);
    await Promise.race([this.#listener?.stop(STOP_MS), Bun.sleep(STOP_MS)]);
    const isSettled = await Promise.race([settled, Bun.sleep(SAVE_MS).then(() => false)]);
    // Last: a client that has asked for a save is told how it went.
    const closed = this.#control?.then((close) => close());
    await Promise.race([closed, Bun.sleep(STOP_MS)]);
    const unsaved = this.#services.all.find(({ isUnsaved }) => isUnsaved);
    const isLost = !isSettled || unsaved !== undefined;
    if (isLost) log("stopped, changes may be lost", unsaved?.fileFields);
    await Promise.race([logged(), Bun.sleep(STOP_MS)]);
    process.exit(isLost ? EXIT.failure : EXIT.ok);
  }
}
