import type { Asker } from "./poller.ts";
import type { Pollers, Written } from "./pollers.ts";

/**
 * A reply that a poller may have heard, from its last byte to the end of the connection. A client
 * that has sent nothing until then may still send, or may make no check at all: it becomes a new
 * poller only when it closes by itself.
 */
export class Telling {
  readonly #pollers: Pollers;
  readonly #address: string;
  readonly #reply: string;
  readonly #at: number;
  readonly #isSilent: boolean;
  readonly #written: Written;

  /** @param asker its `sent` is undefined where something may still come. */
  constructor(pollers: Pollers, asker: Asker, reply: string, now: number) {
    this.#pollers = pollers;
    this.#address = asker.address;
    this.#reply = reply;
    this.#at = now;
    this.#isSilent = !asker.sent;
    this.#written = pollers.written(asker, reply, now, !this.#isSilent);
  }

  /**
   * The client has closed the connection.
   *
   * @param sent what it had sent by then.
   * @param isServed whether it has got the reply.
   */
  end(sent: string, isServed: boolean, now: number): void {
    this.#pollers.closed(this.#written, isServed, now);
    if (!this.#isSilent) return;
    const asker = { address: this.#address, sent };
    const own = this.#pollers.written(asker, this.#reply, now, true, this.#at);
    this.#pollers.closed(own, isServed, now);
  }

  /** The agent has closed the connection. */
  giveUp(now: number): void {
    this.#pollers.closed(this.#written, false, now);
  }
}
