import { type LogFields, log } from "../log.ts";
import { CHECK_MS, SILENCE, within } from "../state/disk.ts";
import { Queue } from "../state/queue.ts";
import { FAILED, type State, StateError } from "../state/state.ts";
import { type Found, StateFile, type Written } from "../state/state-file.ts";
import type { Entry, Host } from "./host.ts";

/** How something ended: `saved`, `not saved: ...`, `loaded`, `refused: ...` and the like. */
export interface Outcome {
  readonly isGood: boolean;
  readonly text: string;
}

/**
 * A change: gives the new state, or undefined when there is nothing to change. It throws a
 * StateError to refuse.
 */
export type Change = (entry: Entry) => State | undefined;

/** The cause of a change that somebody has made in the file. */
const EDIT = "file";

/** How most reads end. */
const LOADED: Outcome = { isGood: true, text: "loaded" };

/** What a keeper works with. */
export interface Surroundings {
  readonly host: Host;
  /** Whether a file is looked at before each check and each change. */
  readonly watch: boolean;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** Whether nobody is answered yet. */
  readonly isStarting: () => boolean;
}

/**
 * Keeps one state of the host in its file. What is asked of it is done in order: a change after a
 * SIGHUP acts on what was read. A change is true in memory, and on the wire, before it is saved,
 * and what comes after it does not wait for the disk.
 */
export class Keeper {
  readonly file: StateFile;
  readonly #name: string | undefined;
  readonly #with: Surroundings;
  readonly #queue = new Queue<Outcome>();
  /** Why the file has to be read before anything else is done with it. */
  #due: string | undefined;
  #lastRead = LOADED;
  /** Whether a look has taken too long and has not returned; and whether the last one did. */
  #isHanging: boolean = false;
  #wasSlow: boolean = false;
  /** Whether its service is gone: then it leaves the host alone. */
  #isGone: boolean = false;
  #wasDetached = false;

  /** @param name the service; undefined: the host itself. */
  constructor(name: string | undefined, path: string, surroundings: Surroundings) {
    this.file = new StateFile(path, surroundings.isStarting);
    this.#name = name;
    this.#with = surroundings;
  }

  /** The service and its file, for a line of the log. */
  get fields(): LogFields {
    return { service: this.#name, file: this.file.path };
  }

  /** Demands that the file is read before anything else is done with it. */
  demandRead(cause: string): void {
    this.#due = cause;
  }

  /** Reads the file; unreadable or invalid, the state is FAIL, and the one before is gone. */
  read(cause: string): Promise<Outcome> {
    this.demandRead(cause);
    return this.refresh();
  }

  /**
   * Reads the file if that was demanded; and if it changed, with watch or where it held no state.
   * Tells how the last read ended.
   */
  refresh(): Promise<Outcome> {
    return this.#queue.share(() => this.#refresh());
  }

  /** Refreshes for a check: waits 0.2 s for the disk, and while that hangs not at all. */
  async look(): Promise<void> {
    if (this.#isHanging) return;
    const look = this.refresh();
    const isSlow = (await within(CHECK_MS, look)) === undefined;
    if (this.#isHanging) return;
    const isNews = isSlow && !this.#wasSlow;
    this.#wasSlow = isSlow;
    if (isNews) log("state file does not answer, the last state stays", this.fields);
    if (!isSlow) return;
    this.#isHanging = true;
    void look.then(() => {
      this.#isHanging = false;
    });
  }

  /**
   * Changes the state, and saves it. The present one is the file's: if the last read failed, or
   * with watch, it is read first.
   *
   * @throws {StateError} when the change is refused, or the service is gone.
   */
  async set(change: Change, cause: string): Promise<Outcome> {
    const { written } = await this.#queue.run(() => this.#change(change, cause));
    return written ? logWritten(await written, this.fields) : { isGood: true, text: "unchanged" };
  }

  /** Its service is gone: nothing that is still under way changes the host. */
  leave(): void {
    this.#isGone = true;
  }

  async #refresh(): Promise<Outcome> {
    const cause = this.#due ?? EDIT;
    if (cause === EDIT && !this.#with.watch && !this.file.isStale) return this.#lastRead;
    this.#due = undefined;
    const found = await this.file.read(cause === EDIT);
    if (!this.#isGone) this.#lastRead = this.#take(found, cause);
    return this.#lastRead;
  }

  /** Takes on what was found. An edit that is invalid leaves the last good state in force. */
  #take(found: Found | undefined, cause: string): Outcome {
    const { fields } = this;
    // One that has lost its name holds what it held.
    this.#logDetached();
    if (found === undefined) {
      if (cause === EDIT) return this.#lastRead;
      if (!this.#with.host.find(this.#name)) this.#put(FAILED, cause);
      log("state file not read, the last state stays", { cause, ...fields, error: SILENCE });
      return { isGood: false, text: `not read: ${SILENCE}` };
    }
    if ("problem" in found) {
      const error = found.problem;
      if (cause === EDIT)
        log("state file refused, the last good state stays", { cause, ...fields, error });
      else {
        const old = this.#put(FAILED, cause);
        log("state file refused", { cause, ...fields, error, old, new: this.#reply });
      }
      return { isGood: false, text: `refused: ${error}` };
    }
    const old = this.#put(found.state, cause);
    // The first state is told at the start; of edits and services only what changed is news.
    const isNews =
      cause !== "start" && ((cause !== EDIT && this.#name === undefined) || old !== this.#reply);
    if (isNews) this.#logState(found.state, cause, old);
    return LOADED;
  }

  async #change(change: Change, cause: string): Promise<{ written?: Promise<Written> }> {
    await this.#refresh();
    const entry = this.#isGone ? undefined : this.#with.host.find(this.#name);
    if (entry === undefined) throw new StateError(["no such service any more"]);
    // What stands in for its state must not take the place of that.
    if (this.file.isUnread) throw new StateError([`not set: its file was not read: ${SILENCE}`]);
    const state = change(entry);
    if (state === undefined) return {};
    const old = this.#put(state, cause);
    this.#logState(state, cause, old);
    return { written: this.file.write(state) };
  }

  /** Sets the state; returns the reply before. */
  #put(state: State, cause: string): string {
    const { host, now } = this.#with;
    const old = this.#reply;
    host.put(this.#name, state, cause, now());
    return old;
  }

  /** The present reply. It is kept once it was asked for: at a start nobody needs it yet. */
  get #reply(): string {
    return this.#with.host.reply(this.#name).text;
  }

  #logState({ reason }: State, cause: string, old: string): void {
    // Not every reply shows it.
    const hidden = this.#reply.includes("#") ? undefined : reason;
    log("state", { cause, service: this.#name, old, new: this.#reply, reason: hidden });
  }

  /** A file that is mounted alone, and was replaced outside: edits and saves miss each other. */
  #logDetached(): void {
    if (!this.file.isDetached || this.#wasDetached) return;
    this.#wasDetached = true;
    log("state file was replaced outside its mount: mount its directory instead", this.fields);
  }
}

/** Logs what was particular about a save, and tells how it went. */
function logWritten(written: Written, fields: LogFields): Outcome {
  if ("problem" in written) {
    log("save failed", { ...fields, error: written.problem });
    return { isGood: false, text: `not saved: ${written.problem}` };
  }
  const { rejected, inPlace, replaced, undurable } = written.saved;
  if (rejected) log("invalid state file set aside", { file: rejected });
  if (replaced) log("saved with another owner or mode", { ...fields, old: replaced });
  if (inPlace) log("saved in place, not atomically", { ...fields, error: inPlace });
  if (undurable) log("saved, but a power failure may undo it", { ...fields, error: undurable });
  const saved = inPlace ? `saved in place: ${inPlace}` : "saved";
  return { isGood: true, text: undurable ? `${saved}, not durably: ${undurable}` : saved };
}
