import { version } from "../../package.json";
import { formatAddress } from "../address.ts";
import { describeError } from "../errors.ts";
import { EXIT } from "../exit.ts";
import { log, logged, logLast } from "../log.ts";
import { type Config, ConfigError, type Environment, findDoubts, readConfig } from "../settings.ts";
import { within } from "../state/disk.ts";
import { Checks } from "./checks.ts";
import type { ControlContext } from "./control-call.ts";
import { Files } from "./files.ts";
import { Host } from "./host.ts";
import { listen } from "./listen.ts";
import type { Pollers } from "./pollers.ts";
import { receiveSignals, type SignalSource } from "./signals.ts";

/** How long a start waits for the host's file, in milliseconds. */
const START_MS = 5000;

/** How long a stop waits for clients in flight, in milliseconds. */
const STOP_MS = 500;

/** How long it waits for changes that are being saved, in milliseconds. */
const SAVE_MS = 5000;

/** What an agent gets from its process, or from a test. */
export interface Process {
  readonly signals: SignalSource;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  readonly exit: (code: number) => void;
}

/** The process that runs this program. */
const PROCESS: Process = {
  signals: process,
  now: () => performance.now(),
  exit: (code) => process.exit(code),
};

/**
 * Runs the agent of this process; returns once it answers. An error before that ends it.
 *
 * @param obstacle why the process is not the tuned one.
 */
export async function serve(env: Environment, obstacle?: string, on = PROCESS): Promise<void> {
  if (obstacle) log(`not tuned, it needs more memory and threads: ${obstacle}`);
  try {
    const config = readConfig(env);
    for (const doubt of findDoubts(env)) log(doubt);
    await new Agent(config, on).start();
  } catch (error) {
    log(describeError(error));
    await within(STOP_MS, logged());
    on.exit(error instanceof ConfigError ? EXIT.usage : EXIT.failure);
  }
}

/** An agent: its parts, how it starts, and how it stops, even during its start. */
export class Agent {
  readonly #config: Config;
  readonly #process: Process;
  readonly #host: Host;
  readonly #files: Files;
  #pollers: Pollers | undefined;
  #checks: Checks | undefined;
  #listeners: ReturnType<typeof listen>[] = [];
  /** Gives what closes the control socket, once it is open. */
  #control: Promise<() => unknown> = Promise.resolve(() => undefined);
  /** How many signals to stop have come. */
  #stops = 0;

  constructor(config: Config, process: Process) {
    const { now } = process;
    const { stateFile, services: directory, watch, reply } = config;
    this.#config = config;
    this.#process = process;
    this.#host = new Host(reply, directory !== undefined, now());
    const isStarting = () => this.#listeners.length === 0;
    this.#files = new Files({ host: this.#host, stateFile, directory, watch, now, isStarting });
  }

  /** The ports that it listens on. */
  get ports(): number[] {
    return this.#listeners.map(({ port }) => port);
  }

  /**
   * Reads the files and answers checks from then on.
   *
   * @throws {ListenError} {ControlSocketError} when an address or the socket is not to be had.
   */
  async start(): Promise<void> {
    const { listen: addresses, socket, stateFile, services, stop } = this.#config;
    const { pollers: named, forget } = this.#config;
    const { signals, now } = this.#process;
    const deadline = setTimeout(() => this.#giveUp(), START_MS);
    // First, so that what signals ask for is done to the file's state, not in its place.
    const started = this.#files.start(() => clearTimeout(deadline));
    receiveSignals(signals, this.#files, (cause) => void this.#stop(cause));
    await started;
    // Only the control socket and a stop status need to know who asks.
    if (socket || stop) {
      const { Pollers } = await import("./pollers.ts");
      this.#pollers = new Pollers({ named, forget, now: now(), log });
    }
    if (this.#stops > 0) return;
    const parts = { host: this.#host, files: this.#files, now };
    this.#checks = new Checks({ ...parts, pollers: this.#pollers });
    for (const address of addresses) this.#listeners.push(listen(address, this.#checks));
    if (socket && this.#pollers) {
      this.#control = this.#openControl(socket, { ...parts, pollers: this.#pollers });
    }
    await this.#control;
    log("listening", {
      version,
      address: addresses.map(formatAddress).join(","),
      file: stateFile,
      reply: this.#host.reply().text,
      services: services && [...this.#host.names()].length,
      socket,
    });
  }

  /** Where no thread can be started, the runtime never says so. */
  #giveUp(): void {
    const causes = "its disk hangs, or no thread may be started (pids limit, ulimit -u, seccomp)";
    const seconds = START_MS / 1000;
    logLast(`cannot start: ${this.#config.stateFile} was not read within ${seconds} s: ${causes}`);
    this.#process.exit(EXIT.failure);
  }

  async #openControl(path: string, context: ControlContext): Promise<() => Promise<void>> {
    const { openControlSocket } = await import("./control-socket.ts");
    return await openControlSocket(path, this.#config.socketMode, context);
  }

  /**
   * Ends the program once every poller was served the stop status, and replies and saves in flight
   * are done. A second signal does not wait for the pollers.
   */
  async #stop(cause: string): Promise<void> {
    this.#stops += 1;
    log("stopping", { cause });
    if (this.#stops === 1 && this.#listeners.length > 0) await this.#tellAll();
    // Signals that came with this one may be handled after it.
    await Bun.sleep(1);
    for (const listener of this.#listeners) listener.stop();
    if (this.#checks) await within(STOP_MS, this.#checks.closed());
    const settled = this.#files.settled().then(() => true);
    const isSettled = await within(SAVE_MS, settled);
    // Last: a client that has asked for a save is told how it went. Also one that is not open yet.
    const closed = this.#control.then((close) => close()).catch(() => undefined);
    await within(STOP_MS, closed);
    const { unsaved } = this.#files;
    const isLost = !isSettled || unsaved !== undefined;
    if (isLost) log("stopped, changes may be lost", unsaved);
    await within(STOP_MS, logged());
    this.#process.exit(isLost ? EXIT.failure : EXIT.ok);
  }

  /** Answers the stop status until every poller that counts was served it, or its time is over. */
  async #tellAll(): Promise<void> {
    const { stop } = this.#config;
    if (!stop || !this.#pollers) return;
    const parts = { host: this.#host, pollers: this.#pollers, now: this.#process.now };
    const { tellStop } = await import("./stop-status.ts");
    await tellStop(stop, parts, () => this.#stops > 1);
  }
}
