import { type LogFields, log } from "../log.ts";
import { CHECK_MS, SILENCE, within } from "../state/disk.ts";
import type { Found } from "../state/read.ts";
import { FAILED, type State, StateError } from "../state/state.ts";
import { StateFile, type Written } from "../state/state-file.ts";
import type { Entry, Host } from "./host.ts";
import { Queue, Shared } from "./queue.ts";

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

/** How most reads end. */
const LOADED: Outcome = { isGood: true, text: "loaded" };

/** What a keeper works with. */
export interface Surroundings {
  readonly host: Host;
  /** Whether a file is looked at before each check and each change. */
  readonly watch: boolean;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
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
  readonly #queue = new Queue();
  /** Made when it is needed: there may be thousands of files, and most are not watched. */
  #look: Shared<void> | undefined;
  /** Why the file has to be read before anything else is done with it. */
  #due: string | undefined;
  #lastRead = LOADED;
  /** Whether a look has taken too long and has not returned. */
  #isHanging: boolean = false;
  /** Whether its service is gone: then it leaves the host alone. */
  #isGone: boolean = false;
  #wasDetached = false;

  /** @param name the service; undefined: the host itself. */
  constructor(name: string | undefined, path: string, surroundings: Surroundings) {
    this.file = new StateFile(path);
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
    return this.readDemanded();
  }

  /** Reads the file if that was demanded and not done since; tells how the last read ended. */
  readDemanded(): Promise<Outcome> {
    return this.#queue.run(() => this.#readDue());
  }

  /** Takes on what the file holds, if it changed; waits 0.2 s for a disk, and not at all again. */
  look(): Promise<void> {
    this.#look ??= new Shared(() => this.#lookOnce());
    return this.#look.run();
  }

  async #lookOnce(): Promise<void> {
    if (this.#isHanging) return;
    const look = this.#queue.run(() => this.#reread());
    if (await within(CHECK_MS, look)) return;
    this.#isHanging = true;
    log("state file does not answer, the last state stays", this.fields);
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
    return written ? this.#logWritten(await written) : { isGood: true, text: "unchanged" };
  }

  /** Its service is gone: nothing that is still under way changes the host. */
  leave(): void {
    this.#isGone = true;
  }

  async #readDue(): Promise<Outcome> {
    const cause = this.#due;
    if (cause === undefined || this.#isGone) return this.#lastRead;
    const old = this.#reply();
    const found = await this.file.read();
    this.#due = undefined;
    this.#lastRead = this.#take(found, cause, old);
    return this.#lastRead;
  }

  #take(found: Found | undefined, cause: string, old: string): Outcome {
    if (this.#isGone) return this.#lastRead;
    if (found === undefined) {
      if (!this.#with.host.find(this.#name)) this.#put(FAILED, cause);
      log("state file not read, the last state stays", { cause, ...this.fields, error: SILENCE });
      return { isGood: false, text: `not read: ${SILENCE}` };
    }
    this.#logDetached();
    if ("problem" in found) {
      const error = found.problem;
      this.#put(FAILED, cause);
      const fields = { cause, ...this.fields, error, old, new: this.#reply() };
      log("state file refused", fields);
      return { isGood: false, text: `refused: ${error}` };
    }
    this.#put(found.state, cause);
    // Of many services only those that changed are news; the first state is told at the start.
    const isNews = cause !== "start" && (this.#name === undefined || old !== this.#reply());
    if (isNews) this.#logState(cause, old);
    return LOADED;
  }

  /** Takes on what the file holds if that changed; invalid, the last good state stays. */
  async #reread(): Promise<true> {
    await this.#readDue();
    const old = this.#reply();
    const found = await this.file.readIfChanged();
    // One that has lost its name holds what it held.
    this.#logDetached();
    if (found === undefined || this.#isGone) return true;
    const cause = "file";
    if ("problem" in found) {
      const fields = { cause, ...this.fields, error: found.problem };
      log("state file refused, the last good state stays", fields);
    } else {
      this.#put(found.state, cause);
      if (old !== this.#reply()) this.#logState(cause, old);
    }
    return true;
  }

  async #change(change: Change, cause: string): Promise<{ written?: Promise<Written> }> {
    if (this.#due) await this.#readDue();
    else if (this.file.isStale) await this.#readAgain();
    else if (this.#with.watch) await this.#reread();
    const entry = this.#isGone ? undefined : this.#with.host.find(this.#name);
    if (entry === undefined) throw new StateError(["no such service any more"]);
    const state = change(entry);
    if (state === undefined) return {};
    const old = this.#reply();
    this.#put(state, cause);
    this.#logState(cause, old);
    return { written: this.file.write(state) };
  }

  /** After a read that failed: the file may have been put right. */
  async #readAgain(): Promise<void> {
    const found = await this.file.read();
    if (found && "state" in found && !this.#isGone) this.#put(found.state, "file");
  }

  #put(state: State, cause: string): void {
    this.#with.host.put(this.#name, state, cause, this.#with.now());
  }

  #reply(): string {
    return this.#with.host.reply(this.#name).text;
  }

  #logState(cause: string, old: string): void {
    const reply = this.#reply();
    const reason = this.#with.host.find(this.#name)?.state.reason;
    // Not every reply shows it.
    const hidden = reply.includes("#") ? undefined : reason;
    log("state", { cause, service: this.#name, old, new: reply, reason: hidden });
  }

  /** Logs what was particular about a save, and tells how it went. */
  #logWritten(written: Written): Outcome {
    const { fields } = this;
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

  /** A file that is mounted alone, and was replaced outside: edits and saves miss each other. */
  #logDetached(): void {
    if (!this.file.isDetached || this.#wasDetached) return;
    this.#wasDetached = true;
    log("state file was replaced outside its mount: mount its directory instead", this.fields);
  }
}
