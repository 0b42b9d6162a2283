/** How many may wait; while there are more, the oldest give way. */
export const WAITING_LIMIT = 256;

/** How long each may wait in any case: turns of 10 ms, between which what has come is read. */
const TURNS = 3;
const TURN_MS = 10;

/**
 * Those that wait for their client, the oldest first. While there are too many the oldest give way,
 * once they have had their time: an honest client is done by then.
 */
export class Crowd<Client> {
  readonly #dismiss: (client: Client) => void;
  /** Since which turn each is here. */
  readonly #turns = new Map<Client, number>();
  /** Counts turns while there are too many. */
  #turn = 0;
  #isTurning: boolean = false;

  /** @param dismiss closes a connection that gives way. */
  constructor(dismiss: (client: Client) => void) {
    this.#dismiss = dismiss;
  }

  has(client: Client): boolean {
    return this.#turns.has(client);
  }

  add(client: Client): void {
    this.#turns.set(client, this.#turn);
    this.#makeRoom();
  }

  delete(client: Client): void {
    this.#turns.delete(client);
  }

  /** Has the oldest give way at once; tells whether there is one. */
  dismissOldest(): boolean {
    for (const client of this.#turns.keys()) {
      this.#turns.delete(client);
      this.#dismiss(client);
      return true;
    }
    return false;
  }

  #makeRoom(): void {
    if (this.#isTurning || this.#turns.size <= WAITING_LIMIT) return;
    this.#isTurning = true;
    setTimeout(() => {
      this.#isTurning = false;
      this.#turn += 1;
      for (const turn of this.#turns.values()) {
        if (this.#turns.size <= WAITING_LIMIT || this.#turn - turn < TURNS) break;
        this.dismissOldest();
      }
      this.#makeRoom();
    }, TURN_MS);
  }
}
