/** How many may be open; while there are more, the oldest give way. */
export const CROWD_LIMIT = 256;

/**
 * How long each may keep the agent waiting in any case: turns of 10 ms, between which what has come
 * is read.
 */
const TURNS = 3;
const TURN_MS = 10;

/**
 * The clients that are connected, in the order in which they came. While there are too many, the
 * oldest give way: those that keep the agent waiting, once they have had their time. An honest
 * client is done by then.
 */
export class Crowd<Client> {
  readonly #dismiss: (client: Client) => void;
  /** Since which turn each keeps the agent waiting; Infinity: it waits for the agent. */
  readonly #turns = new Map<Client, number>();
  /** Counts turns while there are too many. */
  #turn = 0;
  #isTurning: boolean = false;

  /** @param dismiss closes a connection that gives way. */
  constructor(dismiss: (client: Client) => void) {
    this.#dismiss = dismiss;
  }

  /** A client has come, or it is the agent's turn again: this one gives way to nobody. */
  add(client: Client): void {
    this.#turns.set(client, Infinity);
  }

  /** From now on it is the client's turn. */
  await(client: Client): void {
    this.#turns.set(client, this.#turn);
    this.#makeRoom();
  }

  delete(client: Client): void {
    this.#turns.delete(client);
  }

  /** Has the oldest that has had so many turns give way; tells whether there is one. */
  dismissOldest(turns = 0): boolean {
    for (const [client, turn] of this.#turns) {
      if (this.#turn - turn < turns) continue;
      this.#turns.delete(client);
      this.#dismiss(client);
      return true;
    }
    return false;
  }

  #makeRoom(): void {
    if (this.#isTurning || this.#turns.size <= CROWD_LIMIT) return;
    this.#isTurning = true;
    setTimeout(() => {
      this.#isTurning = false;
      this.#turn += 1;
      while (this.#turns.size > CROWD_LIMIT && this.dismissOldest(TURNS));
      this.#makeRoom();
    }, TURN_MS);
  }
}
