// What a deploy does to the world, beside what it says to the agent.
import { describeError } from "../errors.ts";
import type { NamedPollers } from "../named-pollers.ts";
import { printable, quote } from "../text.ts";
import { type PortUse, readPortUse } from "./connections.ts";
import { type ControlSocket, type Conversation, converse } from "./conversation.ts";
import type { Plan } from "./deploy-plan.ts";
import { formatCommand } from "./deploy-words.ts";
import { findPlace, findProgram, type Place, startCommand, startShell } from "./programs.ts";

/** The world, as the steps of a deploy see it: the real one, or that of a test. */
export type World = Omit<RealWorld, "interrupt">;

/** A signal came to end the deploy. */
export class Interruption extends Error {}

/** Milliseconds that the service may take for one answer. */
const PROBE_LIMIT = 5000;

/** How long another signal is the same one (ms): timeout(1) sends it to a process and to its group. */
const SAME_MS = 500;

/** What the real world needs to know. */
export interface WorldOptions {
  readonly plan: Plan;
  readonly socket: ControlSocket;
  /** The load balancers (HAPGENT_POLLERS): without names requests may come from anybody. */
  readonly named: NamedPollers | undefined;
  /** The environment of the command: the caller's. */
  readonly env: Record<string, string | undefined>;
  /** Shows a line. */
  readonly print: (line: string) => void;
}

/** The real world. */
export class RealWorld {
  readonly pid = process.pid;
  readonly #options: WorldOptions;
  readonly #place: Place;
  #interruption = new AbortController();
  #interruptedAt = Number.NEGATIVE_INFINITY;
  /** What the command does; it `still runs` once an interruption waits for its end. */
  #command: "" | "runs" | "still runs" | "has ended" = "";

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#place = findPlace(options.env);
  }

  /**
   * Ends the deploy at its next step; while the command runs, once that has ended: a terminal has
   * interrupted it, too. The second time it ends at once, and leaves the command running.
   */
  interrupt(): void {
    const now = this.now();
    if (now - this.#interruptedAt < SAME_MS) return;
    this.#interruptedAt = now;
    if (this.#command === "runs") {
      this.#command = "still runs";
      this.say("interrupted: ends once the command has ended (again: at once)");
      return;
    }
    const more = this.#command && `; the command ${this.#command}`;
    this.#interruption.abort(new Interruption(`interrupted${more}`));
  }

  /** Goes on after an interruption: there is a last line to say. */
  resume(): void {
    this.#interruption = new AbortController();
  }

  /** Milliseconds of a clock that nobody sets. */
  now(): number {
    return performance.now();
  }

  /** Shows a step. */
  say(text: string): void {
    this.#options.print(`${new Date().toTimeString().slice(0, 8)} ${printable(text)}`);
  }

  async sleep(ms: number): Promise<void> {
    await this.#unlessInterrupted(() => Bun.sleep(ms));
  }

  /** Sends a line to the control socket. @throws {NoAnswerError} */
  async send(command: string): Promise<Conversation> {
    // The signal closes the connection, too, for which the agent may hold the service.
    return await converse(this.#options.socket, command, this.#interruption.signal);
  }

  /** Whose connections are counted, in words: HAProxy's may come from an address that is not named. */
  get whose(): string {
    return this.#options.named ? " from HAPGENT_POLLERS" : "";
  }

  /** What is open at a port: the connections that may carry requests. */
  async usePort(port: number): Promise<PortUse> {
    const { named } = this.#options;
    const { isListening, peers } = await readPortUse(port);
    return { isListening, peers: peers.filter((peer) => !named || named.find(peer)) };
  }

  /** Why the command cannot be run; undefined when it can. */
  findObstacle(): string | undefined {
    const [name = ""] = this.#options.plan.command;
    if (findProgram(name, this.#place) !== null) return undefined;
    return `no such command: ${quote(name)} (quote REASON, but not COMMAND)`;
  }

  /** Runs the command; returns how it failed (`exit code 3`), or undefined. */
  async run(): Promise<string | undefined> {
    this.#command = "runs";
    try {
      const failed = await this.#finish(startCommand(this.#options.plan.command, this.#place));
      // The compiler does not see that it changes while the command runs.
      if ((this.#command as string) !== "still runs") return failed;
      const how = failed ? `failed (${failed})` : "has ended";
      throw new Interruption(`interrupted; the command ${how}`);
    } catch (error) {
      if (error instanceof Interruption) throw error;
      return describeError(error);
    } finally {
      this.#command = "has ended";
    }
  }

  /** Waits for the end of a program; returns how it failed, or undefined. */
  async #finish(child: Bun.Subprocess): Promise<string | undefined> {
    const exitCode = await this.#unlessInterrupted(() => child.exited);
    return exitCode === 0 ? undefined : String(child.signalCode ?? `exit code ${exitCode}`);
  }

  /** Asks the service once; returns how it does not answer, or undefined. */
  async probe(): Promise<string | undefined> {
    const { url, until, answer } = this.#options.plan;
    const problem =
      url === undefined ? undefined : await this.#unlessInterrupted(() => fetchUrl(url));
    if (problem !== undefined || until === undefined) return problem;
    const child = startShell(until, this.#place, Math.max(answer * 1000, PROBE_LIMIT));
    const failed = await this.#finish(child).finally(() => child.kill("SIGKILL"));
    return failed && `${failed}: ${formatCommand([until])}`;
  }

  /** Begins something and waits for it; an interruption ends the waiting, and nothing begins after. */
  async #unlessInterrupted<T>(begin: () => Promise<T>): Promise<T> {
    const { signal } = this.#interruption;
    signal.throwIfAborted();
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    return await Promise.race([begin(), aborted]).finally(() =>
      signal.removeEventListener("abort", abort),
    );
  }
}

/** Gets a URL once; what is wrong with the answer, or undefined. */
async function fetchUrl(url: string): Promise<string | undefined> {
  try {
    const signal = AbortSignal.timeout(PROBE_LIMIT);
    const { status, body } = await fetch(url, { redirect: "manual", keepalive: false, signal });
    await body?.cancel();
    return status < 400 ? undefined : `HTTP ${status} from ${url}`;
  } catch (error) {
    return `${describeError(error)}: ${url}`;
  }
}
