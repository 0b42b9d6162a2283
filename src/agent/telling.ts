import type { Doubt, Doubts } from "./doubts.ts";
import type { Poller } from "./poller.ts";
import type { Pollers } from "./pollers.ts";

/** Who made a check: what it sent is undefined where something may still come. */
interface Client {
  readonly address: string;
  readonly sent: string | undefined;
}

/**
 * A reply that a poller may have heard, from its last byte to the end of the connection. A client
 * that has sent nothing until then may still send, or may make no check at all: it becomes a new
 * poller only when it closes by itself.
 */
export class Telling implements Doubt {
  readonly #address: string;
  /** Undefined: it is not known yet, or nobody that is remembered. */
  readonly #poller: Poller | undefined;
  readonly #isSilent: boolean;
  /** Where it is in doubt. */
  readonly #doubts: Doubts | undefined;

  constructor(
    readonly pollers: Pollers,
    { address, sent }: Client,
    readonly reply: string,
    readonly at: number,
  ) {
    this.#address = address;
    this.#isSilent = !sent;
    this.#poller = sent ? pollers.ask({ address, sent }, reply, at) : undefined;
    const { memory } = pollers;
    if (sent) this.#doubts = this.#poller?.written;
    else if (sent === "") this.#doubts = memory.get({ address, sent })?.written;
    else this.#doubts = memory.at(address)[0]?.shared;
    this.#doubts?.add(this);
  }

  /**
   * The client has closed the connection.
   *
   * @param sent what it had sent by then.
   * @param isServed whether it has got the reply.
   */
  end(sent: string, isServed: boolean, now: number): void {
    const { pollers, reply } = this;
    const asker = { address: this.#address, sent };
    const poller = this.#isSilent ? pollers.ask(asker, reply, now) : this.#poller;
    if (isServed) {
      this.#doubts?.delete(this);
      if (poller) pollers.serve(poller, this, now);
    } else {
      this.giveUp();
      if (this.#isSilent) poller?.written.keep(this);
    }
  }

  /** The agent has closed the connection. */
  giveUp(): void {
    this.#doubts?.keep(this);
  }
}
