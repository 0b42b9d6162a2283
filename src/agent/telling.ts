import type { Asker } from "./poller.ts";
import type { Pollers, Written } from "./pollers.ts";

/** A reply that a poller may have heard, from its last byte to the end of the connection. */
export class Telling {
  readonly #pollers: Pollers;
  readonly #asker: Asker;
  readonly #reply: string;
  readonly #written: Written;

  /** @param asker its `sent` is undefined where nothing was sent, or it has not come yet. */
  constructor(pollers: Pollers, asker: Asker, reply: string, now: number) {
    this.#pollers = pollers;
    this.#asker = asker;
    this.#reply = reply;
    this.#written = pollers.written(asker, reply, now);
  }

  /**
   * The connection is closed.
   *
   * @param sent what was sent until then.
   * @param isServed whether the client has got the reply.
   */
  end(sent: string, isServed: boolean, now: number): void {
    const isKnown = this.#asker.sent !== undefined;
    this.#pollers.closed(this.#written, isServed && isKnown, now);
    if (isKnown) return;
    const own = this.#pollers.written({ ...this.#asker, sent }, this.#reply, now);
    this.#pollers.closed(own, isServed, now);
  }
}
