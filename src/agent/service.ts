import { describeError } from "../errors.ts";
import { type LogFields, log } from "../log.ts";
import { type Identity, identify, isSame, loadState } from "../state/file.ts";
import { formatReply, type ReplyMode } from "../state/reply.ts";
import { FAILED, type State, type Status } from "../state/state.ts";

/** A reply as bytes for the wire and as text for people, without its newline. */
export interface Reply {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** How an event ended: `saved`, `not saved: ...`, `loaded`, `refused: ...` and the like. */
export interface Outcome {
  readonly isGood: boolean;
  readonly text: string;
}

const encoder = new TextEncoder();

/** A change of the status: weight and maxconn stay, the reason for the old status does not. */
export function withStatus(status: Status, reason?: string): (state: State) => State {
  return ({ reason: _, ...kept }) => ({ ...kept, status, ...(reason && { reason }) });
}

/**
 * A service: its state, the file that keeps it and the reply made of it. The reply changes as soon
 * as the new state is known, before it is saved. Its changes are made one after another (Events).
 */
export class Service {
  state: State = FAILED;
  reply: Reply;
  /** Whether a change is being saved. */
  isSaving = false;
  readonly #file: string;
  readonly #mode: ReplyMode;
  /** The status that is answered in place of the state's while the agent stops. */
  #stopStatus: Status | undefined;
  /** What the file was when it was last read, if it is watched. */
  #identity: Identity | undefined;

  constructor({ file, mode, watch }: { file: string; mode: ReplyMode; watch: boolean }) {
    this.#file = file;
    this.#mode = mode;
    if (watch) this.#identity = {};
    this.reply = this.#makeReply();
  }

  /** What names it in a line of the log. */
  get logFields(): LogFields {
    return { file: this.#file };
  }

  /**
   * Reads the file for the first time; unreadable or invalid, the state is FAIL. A good state is in
   * the line that says where the agent listens.
   */
  async start(): Promise<void> {
    const error = await this.#load();
    if (error !== undefined) this.#fail(error, "start");
  }

  /** Reads the file; unreadable or invalid, the state is FAIL, and the one before is gone. */
  async reload(cause: string): Promise<Outcome> {
    const old = this.reply.text;
    const error = await this.#load();
    if (error === undefined) {
      log("state", { cause, old, new: this.reply.text });
      return { isGood: true, text: "loaded" };
    }
    this.#fail(error, cause);
    return { isGood: false, text: `refused: ${error}` };
  }

  /** Reads the file if it is another one now; unreadable or invalid, the last good state stays. */
  async reread(): Promise<void> {
    // Of checks that come at once the first has read it.
    if (await this.isCurrent()) return;
    const cause = "watch";
    const old = this.reply.text;
    const error = await this.#load();
    if (error !== undefined) {
      log("state file refused, the last good state stays", { cause, ...this.logFields, error });
    } else if (old !== this.reply.text) {
      // What the agent itself has saved is no news.
      log("state", { cause, old, new: this.reply.text });
    }
  }

  /** Takes on a state made of the present one, and saves it. */
  async set(change: (state: State) => State, cause: string): Promise<Outcome> {
    this.isSaving = true;
    const old = this.reply.text;
    this.#become(change(this.state));
    log("state", { cause, old, new: this.reply.text });
    try {
      const { saveState } = await import("../state/save.ts");
      const { rejected, inPlace } = await saveState(this.#file, this.state);
      if (rejected) log("invalid state file set aside", { file: rejected });
      if (inPlace) log("saved in place, not atomically", { ...this.logFields, error: inPlace });
      return { isGood: true, text: inPlace ? `saved in place: ${inPlace}` : "saved" };
    } catch (problem) {
      const error = describeError(problem);
      log("save failed", { ...this.logFields, error });
      return { isGood: false, text: `not saved: ${error}` };
    } finally {
      this.isSaving = false;
    }
  }

  /** Whether the file is the one that was last read. */
  async isCurrent(): Promise<boolean> {
    return isSame(await identify(this.#file), this.#identity ?? {});
  }

  /** From now on answers this status, whatever the state is; it is not saved. */
  answerWhileStopping(status: Status): void {
    this.#stopStatus = status;
    this.reply = this.#makeReply();
  }

  /** Reads the file; returns why it holds no state, which changes nothing. */
  async #load(): Promise<string | undefined> {
    // Before it is read: what is written to it meanwhile is another one, to be read at the next
    // check.
    const identity = this.#identity && (await identify(this.#file));
    try {
      this.#become(await loadState(this.#file));
      return undefined;
    } catch (error) {
      return describeError(error);
    } finally {
      this.#identity = identity;
    }
  }

  #fail(error: string, cause: string): void {
    const old = this.reply.text;
    this.#become(FAILED);
    log("state file refused", { cause, ...this.logFields, error, old, new: this.reply.text });
  }

  #become(state: State): void {
    this.state = state;
    this.reply = this.#makeReply();
  }

  #makeReply(): Reply {
    const state = this.#stopStatus ? withStatus(this.#stopStatus)(this.state) : this.state;
    const line = formatReply(state, this.#mode);
    return { bytes: encoder.encode(line), text: line.slice(0, -1) };
  }
}
