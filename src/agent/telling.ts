import type { Doubt, Doubts } from "./doubts.ts";
import type { Poller } from "./poller.ts";
import type { Pollers } from "./pollers.ts";

/**
 * A reply that a poller may have heard, from its last byte to the end of the connection. A client
 * that has sent nothing until then may still send, or may make no check at all: it becomes a new
 * poller only when it closes by itself.
 */
export class Telling implements Doubt {
  /** Undefined: it has sent nothing, or is nobody that is remembered. */
  readonly #poller: Poller | undefined;
  /** Where it is in doubt. */
  readonly #doubts: Doubts | undefined;

  /** @param sent undefined where something may still come. */
  constructor(
    readonly pollers: Pollers,
    readonly address: string,
    readonly sent: string | undefined,
    readonly reply: string,
    readonly at: number,
  ) {
    if (sent !== undefined) this.#poller = pollers.ask({ address, sent }, reply, at);
    this.#doubts = sent === undefined ? pollers.memory.shared(address) : this.#poller?.written;
    this.#doubts?.add(this);
  }

  /**
   * The client has closed the connection.
   *
   * @param sent what it had sent by then.
   * @param isClean whether it has closed it cleanly, as one does that has read the reply.
   */
  end(sent: string, isClean: boolean, now: number): void {
    const { pollers, address, reply } = this;
    const poller =
      this.sent === undefined ? pollers.ask({ address, sent }, reply, now) : this.#poller;
    if (isClean && (poller?.close(now - this.at) ?? true)) {
      this.#doubts?.delete(this);
      if (poller) pollers.serve(poller, this, now);
    } else {
      this.giveUp();
      poller?.written.keep(this);
    }
  }

  /** The agent has closed the connection. */
  giveUp(): void {
    this.#doubts?.keep(this);
  }
}
