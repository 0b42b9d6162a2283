import { describeError } from "../errors.ts";
import { Disk, SILENCE } from "./disk.ts";
import { type Found, findState, type Identity, identify, isCurrent, type Reading } from "./read.ts";
import type { Saved } from "./replace.ts";
import { formatState, type State } from "./state.ts";

/** How a write ended: what was particular about it, or why it is not known to be saved. */
export type Written = { readonly saved: Saved } | { readonly problem: string };

/** A file that was not read yet holds no state. */
const UNREAD: Found = { problem: "not read" };

/**
 * One state file, and all that is known of it. It is read or written, one at a time; of the states
 * that come during a write only the last is written. So a storm of changes costs two writes, and a
 * disk that hangs holds up those who wait for it, and nothing else.
 */
export class StateFile {
  readonly #disk = new Disk();
  /** What it held, and which version it was, when it was last read in time, or written. */
  #found: Found = UNREAD;
  #identity: Identity = {};
  /** The state to write next, and the write that will take it. */
  #next: State | undefined;
  #nextWrite: Promise<Written | undefined> | undefined;
  /** How it stands with the last state that was to be written; undefined: it is in the file. */
  #save: "under way" | "failed" | undefined;

  constructor(readonly path: string) {}

  /** Whether the state in memory is not known to be in the file. */
  get isUnsaved(): boolean {
    return this.#save !== undefined;
  }

  /**
   * Whether it has to be read before its state is changed: it was not, or it held none, and what
   * stands in for that was not saved.
   */
  get isStale(): boolean {
    return this.#save !== "under way" && !("state" in this.#found);
  }

  /** Whether a mount shows a file that was replaced: it has no name any more. */
  get isDetached(): boolean {
    return this.#identity.links === 0;
  }

  /** Reads it, after the writes before; undefined: no answer in time, and nothing has changed. */
  async read(): Promise<Found | undefined> {
    const reading: Reading = { isGivenUp: false };
    const read = await this.#disk.ask(async () => {
      // Before it is read: a write meanwhile makes another version, which the next look sees.
      const identity = await identify(this.path);
      return { identity, found: await findState(this.path, reading) };
    });
    if (read === undefined) {
      reading.isGivenUp = true;
      reading.cancel?.();
      return undefined;
    }
    this.#identity = read.identity;
    this.#found = read.found;
    this.#save = undefined;
    return read.found;
  }

  /** Reads it if it holds something else than when it was last read or written; else undefined. */
  async readIfChanged(): Promise<Found | undefined> {
    // Until a state is written memory is right.
    if (this.#save === "under way") return undefined;
    const identity = await this.#disk.ask(() => identify(this.path));
    if (identity === undefined || isCurrent(this.#identity, identity)) return undefined;
    const [before, save] = [this.#found, this.#save];
    const found = await this.read();
    if (!Bun.deepEquals(found, before)) return found;
    // Nobody has edited it: what could not be saved is still right.
    this.#save = save;
    return undefined;
  }

  /** Writes a state, or one that came after it; no answer in time is a problem. */
  async write(state: State): Promise<Written> {
    this.#save = "under way";
    this.#next = state;
    this.#nextWrite ??= this.#disk.ask(() => this.#writeNext(this.#next ?? state));
    return (await this.#nextWrite) ?? { problem: SILENCE };
  }

  async #writeNext(state: State): Promise<Written> {
    this.#nextWrite = undefined;
    // What it is after the write the next look will see.
    this.#identity = {};
    let written: Written;
    try {
      const { replaceFile } = await import("./replace.ts");
      written = { saved: await replaceFile(this.path, formatState(state)) };
      this.#found = { state };
    } catch (error) {
      written = { problem: describeError(error) };
    }
    if (this.#nextWrite === undefined) this.#save = "saved" in written ? undefined : "failed";
    return written;
  }
}
