import { describeError } from "../errors.ts";
import { Disk, SILENCE } from "./disk.ts";
import { type Identity, identify, isCurrent, loadState } from "./read.ts";
import type { Saved } from "./replace.ts";
import { FAILED, formatState, type State } from "./state.ts";

/** What a file holds: a state, or why it holds none. */
export type Found = { readonly state: State } | { readonly problem: string };

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
  readonly #disk = new Disk<Written>();
  /** What it held, and which version it was, when it was last read in time, or written. */
  #found: Found = UNREAD;
  #identity: Identity = {};
  /** The state that came last: a write takes that one. */
  #last: State = FAILED;
  /** How it stands with the last state that was to be written; undefined: it is in the file. */
  #save: "under way" | "failed" | undefined;

  /** @param isStarting whether nobody is answered yet. */
  constructor(
    readonly path: string,
    readonly isStarting?: () => boolean,
  ) {}

  /** Whether the state in memory is not known to be in the file. */
  get isUnsaved(): boolean {
    return this.#save !== undefined;
  }

  /** Whether a state is on its way into the file, which will be there then. */
  get isSaving(): boolean {
    return this.#save === "under way";
  }

  /** Whether nothing is known of what it holds. */
  get isUnread(): boolean {
    return this.#found === UNREAD;
  }

  /**
   * Whether it has to be read before its state is changed: it was not, or it held none, and what
   * stands in for that was not saved.
   */
  get isStale(): boolean {
    return !this.isSaving && !("state" in this.#found);
  }

  /** Whether a mount shows a file that was replaced: it has no name any more. */
  get isDetached(): boolean {
    return this.#identity.links === 0;
  }

  /**
   * Reads it, after the writes before.
   *
   * @param ifChanged whether only what somebody else has put there is wanted.
   * @returns undefined: there is no such change; or no answer in time, and nothing has changed.
   */
  async read(ifChanged: boolean = false): Promise<Found | undefined> {
    // Until a state is written memory is right.
    if (ifChanged && this.isSaving) return undefined;
    const read = await this.#disk.ask(async () => {
      // Before it is read: a write meanwhile makes another version, which the next look sees.
      const identity = await identify(this.path);
      // What could not be read may be readable now, and still be the same version.
      const isKnown = "state" in this.#found && isCurrent(this.#identity, identity);
      if (ifChanged && isKnown) return undefined;
      const found: Found = await loadState(this.path, this.isStarting).then(
        (state) => ({ state }),
        (error: unknown) => ({ problem: describeError(error) }),
      );
      return { identity, found };
    });
    if (read === undefined) return undefined;
    const isUnchanged = ifChanged && Bun.deepEquals(read.found, this.#found);
    this.#identity = read.identity;
    this.#found = read.found;
    if (isUnchanged) return undefined;
    // Where no edit gives a state, what could not be saved is still right, and still unsaved.
    if (!ifChanged || "state" in read.found) this.#save = undefined;
    return read.found;
  }

  /** Writes a state, or one that came after it; no answer in time is a problem. */
  async write(state: State): Promise<Written> {
    this.#save = "under way";
    this.#last = state;
    const written = this.#disk.share(() => this.#writeLast());
    return (await this.#disk.wait(written)) ?? { problem: SILENCE };
  }

  async #writeLast(): Promise<Written> {
    const state = this.#last;
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
    if (this.#last === state) this.#save = "saved" in written ? undefined : "failed";
    return written;
  }
}
