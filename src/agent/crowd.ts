/** How many may be open; while there are more, the oldest give way. */
export const CROWD_LIMIT = 256;

/**
 * While more are open, none may be held up. Those beyond CROWD_LIMIT give way within some turns, so
 * only a flood of thousands a second comes to this; in a slower one it is known who has heard what.
 */
const BUSY_LIMIT = 2 * CROWD_LIMIT;

/**
 * The most that are open, so that some files are left to read and save states. The kernel hands
 * over 512 at a time; as many again may come before those are read.
 */
const OPEN_LIMIT = 1536;

/**
 * How long each may keep the agent waiting in any case: turns of 10 ms, between which what has come
 * is read.
 */
const TURNS = 3;
const TURN_MS = 10;

/** A client that is connected, and can be told to make room. */
interface Client {
  giveWay(): void;
}

/**
 * The clients that are connected, in the order in which they came. While there are too many, the
 * oldest give way: those that keep the agent waiting, once they have had their time. An honest
 * client is done by then.
 */
export class Crowd {
  /** Since which turn each keeps the agent waiting; Infinity: it waits for the agent. */
  readonly #turns = new Map<Client, number>();
  /** Counts turns while there are too many. */
  #turn = 0;
  #isTurning: boolean = false;

  get size(): number {
    return this.#turns.size;
  }

  /** Whether there are so many that none may be held up. */
  get isBusy(): boolean {
    return this.size > BUSY_LIMIT;
  }

  /** Tells whether one more may come: where there are too many, the oldest gives way at once. */
  makeRoom(): boolean {
    return this.size < OPEN_LIMIT || this.#dismissOldest();
  }

  /** A client has come, or it is the agent's turn again: this one gives way to nobody. */
  add(client: Client): void {
    this.#turns.set(client, Infinity);
  }

  /** From now on it is the client's turn. */
  await(client: Client): void {
    this.#turns.set(client, this.#turn);
    this.#dismissSome();
  }

  delete(client: Client): void {
    this.#turns.delete(client);
  }

  /** Has the oldest that has had so many turns give way; tells whether there is one. */
  #dismissOldest(turns = 0): boolean {
    for (const [client, turn] of this.#turns) {
      if (this.#turn - turn < turns) continue;
      this.#turns.delete(client);
      client.giveWay();
      return true;
    }
    return false;
  }

  #dismissSome(): void {
    if (this.#isTurning || this.size <= CROWD_LIMIT) return;
    this.#isTurning = true;
    setTimeout(() => {
      this.#isTurning = false;
      this.#turn += 1;
      while (this.size > CROWD_LIMIT && this.#dismissOldest(TURNS));
      this.#dismissSome();
    }, TURN_MS);
  }
}
