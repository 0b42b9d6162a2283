import type { Socket } from "bun";
import { StateError } from "../state/state.ts";

/** Maximum number of concurrent clients that ask. */
const ASKING_LIMIT = 16;
/** Maximum number of concurrent clients that wait, or hold. */
const STAYING_LIMIT = 256;
/** Longest command, in bytes. */
const LINE_LIMIT = 1024;
/** A client that is silent, or does not read its answer, or close, is closed after this time (ms). */
const IDLE_MS = 5000;

/** Executes one command and returns the line that answers it. */
export type Execute = (line: string, client: ControlClient) => Promise<string>;

/** The clients that are connected. */
export interface Clients {
  readonly asking: Set<ControlClient>;
  readonly staying: Set<ControlClient>;
}

/**
 * A client of the control socket: it sends one command (`asking`), which runs (`running`), is
 * answered (`answering`) and then half closed until the client closes (`closing`): with bytes unread
 * the kernel would send a reset, which can destroy the answer. One that holds something stays
 * (`holding`).
 */
export class ControlClient {
  #phase: "asking" | "running" | "answering" | "holding" | "closing" | "closed" = "asking";
  readonly #socket: Socket<ControlClient>;
  readonly #clients: Clients;
  readonly #execute: Execute;
  readonly #gone = Promise.withResolvers<void>();
  /** What was sent: one character a byte, decoded once the line is whole. */
  #sent = "";
  #answer = new Uint8Array();
  #timer: Timer | undefined;
  #isHolding: boolean = false;
  #hasEnded: boolean = false;

  constructor(socket: Socket<ControlClient>, clients: Clients, execute: Execute) {
    this.#socket = socket;
    this.#clients = clients;
    this.#execute = execute;
    if (clients.asking.size >= ASKING_LIMIT) {
      this.#reply(`error: ${ASKING_LIMIT} clients`);
      return;
    }
    clients.asking.add(this);
    this.#timer = setTimeout(() => this.#reply("error: idle for 5 s"), IDLE_MS);
  }

  /** Whether nobody waits for the answer any more. */
  get isGone(): boolean {
    return this.#phase === "closed";
  }

  /** Resolves when the client has gone. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  /** Takes a client that waits out of the few that may ask; throws a StateError if it may not. */
  stay(): void {
    const { asking, staying } = this.#clients;
    if (staying.size >= STAYING_LIMIT)
      throw new StateError([`${STAYING_LIMIT} clients wait already`]);
    asking.delete(this);
    staying.add(this);
  }

  /** Keeps the connection open after the answer, until the client goes. */
  hold(): void {
    this.#isHolding = true;
  }

  /** Takes what the client sends: what comes after the first line is ignored. */
  read(chunk: Buffer): void {
    if (this.#phase !== "asking") return;
    this.#sent += chunk.toString("latin1", 0, LINE_LIMIT + 1);
    const end = this.#sent.indexOf("\n");
    if ((end < 0 ? this.#sent.length : end) > LINE_LIMIT) {
      this.#reply(`error: expected a line of at most ${LINE_LIMIT} bytes`);
    } else if (end >= 0) {
      void this.#run(Buffer.from(this.#sent.slice(0, end), "latin1").toString());
    }
  }

  /** The client sends no more; it may still read. */
  end(): void {
    this.#hasEnded = true;
    // Half a line may be half a number: it is not executed.
    if (this.#phase === "asking") this.#reply("error: expected a newline at the end");
    else if (this.#phase === "holding" || this.#phase === "closing") this.#socket.end();
  }

  /** Goes on with an answer that the client has not taken whole. */
  resume(): void {
    if (this.#phase === "answering") this.#write();
  }

  /** The connection is closed. */
  close(): void {
    this.#phase = "closed";
    clearTimeout(this.#timer);
    this.#clients.asking.delete(this);
    this.#clients.staying.delete(this);
    this.#gone.resolve();
  }

  async #run(line: string): Promise<void> {
    this.#phase = "running";
    clearTimeout(this.#timer);
    this.#reply(await this.#execute(line, this));
  }

  #reply(answer: string): void {
    if (this.#phase !== "asking" && this.#phase !== "running") return;
    this.#phase = "answering";
    this.#answer = new TextEncoder().encode(`${answer}\n`);
    this.#write();
  }

  /** Writes as fast as the client reads. */
  #write(): void {
    clearTimeout(this.#timer);
    this.#answer = this.#answer.subarray(Math.max(0, this.#socket.write(this.#answer)));
    const isWritten = this.#answer.length === 0;
    if (isWritten && this.#isHolding) {
      this.#phase = "holding";
      return;
    }
    this.#timer = setTimeout(() => this.#socket.terminate(), IDLE_MS);
    if (!isWritten) return;
    this.#phase = "closing";
    if (this.#hasEnded) this.#socket.end();
    else this.#socket.shutdown();
  }
}
