import { describeError } from "../errors.ts";
import { type LogFields, log } from "../log.ts";
import { limitRead } from "../state/deadline.ts";
import { type Identity, identify, isCurrent, isSame, loadState } from "../state/file.ts";
import { formatReply, type ReplyMode } from "../state/reply.ts";
import type { SaveOutcome } from "../state/save.ts";
import { FAILED, type State } from "../state/state.ts";

/** A reply as bytes for the wire and as text for people, without its newline. */
export interface Reply {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** What a service is made of. */
export interface ServiceOptions {
  /** Undefined: the only one, or the host that comes before the services. */
  readonly name?: string;
  /** Path of its state file. */
  readonly file: string;
  readonly mode: ReplyMode;
  /** Whether its file is watched: then its identity is noted whenever it is read. */
  readonly watch: boolean;
  /** What is answered for this state, if something comes before it. */
  readonly effective?: (state: State) => State;
  /** Called before and after its state changes. */
  readonly changing?: () => void;
  readonly changed?: () => void;
}

/** How an event ended: `saved`, `not saved: ...`, `loaded`, `refused: ...` and the like. */
export interface Outcome {
  readonly isGood: boolean;
  readonly text: string;
}

const LOADED: Outcome = { isGood: true, text: "loaded" };

/**
 * A service: its state, the file that keeps it and the reply made of it. The reply changes as soon
 * as the new state is known, before it is saved. Its changes are made one after another (Events).
 */
export class Service {
  state: State = FAILED;
  reply: Reply;
  /** Since when it is known (performance.now()). */
  readonly addedAt = performance.now();
  /** When the reply changed last (performance.now()). */
  changedAt = performance.now();
  /** Whether a change is being saved. */
  isSaving = false;
  /** Whether a change has not been saved. */
  isUnsaved = false;
  readonly #options: ServiceOptions;
  /** What the file was when it was last read, where it is watched. */
  #identity: Identity = {};
  /** What it held then: a state, or why it held none. */
  #content: State | string | undefined;
  /** Whether the state stands in for that of a file that could not be read. */
  #isMakeshift: boolean = true;

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.reply = this.#makeReply();
  }

  get name(): string | undefined {
    return this.#options.name;
  }

  /** Its name, for a line of the log. */
  get #fields(): LogFields {
    return { service: this.#options.name };
  }

  /** Its name and its file, for a line of the log. */
  get fileFields(): LogFields {
    return { ...this.#fields, file: this.#options.file };
  }

  /**
   * Reads the file for the first time; unreadable or invalid, the state is FAIL. A good state is in
   * the line that says where the agent listens.
   */
  async start(): Promise<Outcome> {
    return this.#take(await this.#read(), "start");
  }

  /** Reads the file; unreadable or invalid, the state is FAIL, and the one before is gone. */
  async reload(cause: string): Promise<Outcome> {
    const old = this.reply.text;
    const outcome = this.#take(await this.#read(), cause);
    // Of many services only those that changed are news.
    if (outcome.isGood && (this.name === undefined || old !== this.reply.text)) {
      log("state", { cause, ...this.#fields, old, new: this.reply.text });
    }
    return outcome;
  }

  /** Reads the file if it is another one now; unreadable or invalid, the last good state stays. */
  async reread(): Promise<void> {
    const cause = "watch";
    const old = this.reply.text;
    const [identity, content] = [this.#identity, this.#content];
    const found = await this.#read({ onlyIfChanged: true });
    // A version that was young is read again; mostly it holds what it held.
    const isKnown = isSame(identity, this.#identity);
    if (isKnown && JSON.stringify(found) === JSON.stringify(content)) return;
    if (typeof found === "string") {
      const error = found;
      log("state file refused, the last good state stays", { cause, ...this.fileFields, error });
      return;
    }
    this.#take(found, cause);
    // A save of the agent's own is no news.
    if (old !== this.reply.text) {
      log("state", { cause, ...this.#fields, old, new: this.reply.text });
    }
  }

  /**
   * Takes on a state made of the present one, and saves it. The present one is the file's: if the
   * last read failed, it is read first.
   */
  async set(change: (state: State) => State, cause: string): Promise<Outcome> {
    this.isSaving = true;
    this.isUnsaved = true;
    try {
      const old = this.reply.text;
      const found = this.#isMakeshift ? await this.#read() : this.state;
      if (typeof found !== "string") this.#isMakeshift = false;
      this.#become(change(typeof found === "string" ? this.state : found));
      log("state", { cause, ...this.#fields, old, new: this.reply.text });
      const { saveState } = await import("../state/save.ts");
      const outcome = await saveState(this.#options.file, this.state);
      this.#isMakeshift = false;
      this.isUnsaved = false;
      return { isGood: true, text: this.#logSave(outcome) };
    } catch (problem) {
      if (this.#options.watch) await this.#recognize();
      const error = describeError(problem);
      log("save failed", { ...this.fileFields, error });
      return { isGood: false, text: `not saved: ${error}` };
    } finally {
      this.isSaving = false;
    }
  }

  /** Whether the file is certainly the one that was last read. */
  async isCurrent(): Promise<boolean> {
    return isCurrent(this.#identity, await identify(this.#options.file));
  }

  /** Makes the reply anew, because what comes before the state has changed. */
  update(): void {
    const reply = this.#makeReply();
    if (reply.text === this.reply.text) return;
    this.changedAt = performance.now();
    this.reply = reply;
  }

  /** Reads the file: a state, or why it holds none. Only the record of the file changes. */
  async #read({ onlyIfChanged = false } = {}): Promise<State | string> {
    const { file, watch } = this.#options;
    let identity: Identity = {};
    let content: State | string;
    try {
      // Before it is read: a write meanwhile makes another version, which the next check reads.
      if (watch) identity = await limitRead(identify(file));
      if (onlyIfChanged && this.#content && isCurrent(this.#identity, identity))
        return this.#content;
      content = await loadState(file);
    } catch (error) {
      content = describeError(error);
    }
    this.#identity = identity;
    this.#content = content;
    return content;
  }

  /** After a save that was taken back: nobody has edited the file if it holds what it held before. */
  async #recognize(): Promise<void> {
    const [identity, content] = [this.#identity, this.#content];
    const found = await this.#read();
    if (JSON.stringify(found) === JSON.stringify(content)) return;
    this.#identity = identity;
    this.#content = content;
  }

  /** Takes on what the file holds; FAIL when that is no state. */
  #take(found: State | string, cause: string): Outcome {
    this.#isMakeshift = typeof found === "string";
    this.isUnsaved = false;
    if (typeof found === "string") return this.#fail(found, cause);
    this.#become(found);
    return LOADED;
  }

  /** Logs what was particular about a save, and tells how it went. */
  #logSave({ rejected, inPlace, replaced, undurable }: SaveOutcome): string {
    const fields = this.fileFields;
    if (rejected) log("invalid state file set aside", { file: rejected });
    if (replaced) log("saved with another owner or mode", { ...fields, old: replaced });
    if (inPlace) log("saved in place, not atomically", { ...fields, error: inPlace });
    if (undurable) log("saved, but a power failure may undo it", { ...fields, error: undurable });
    const saved = inPlace ? `saved in place: ${inPlace}` : "saved";
    return undurable ? `${saved}, not durably: ${undurable}` : saved;
  }

  #fail(error: string, cause: string): Outcome {
    const old = this.reply.text;
    this.#become(FAILED);
    log("state file refused", { cause, ...this.fileFields, error, old, new: this.reply.text });
    return { isGood: false, text: `refused: ${error}` };
  }

  #become(state: State): void {
    this.#options.changing?.();
    this.state = state;
    this.update();
    this.#options.changed?.();
  }

  #makeReply(): Reply {
    const { effective, mode } = this.#options;
    const line = formatReply(effective?.(this.state) ?? this.state, mode);
    return { bytes: new TextEncoder().encode(line), text: line.slice(0, -1) };
  }
}
