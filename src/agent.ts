import { log, reasonOf } from "./log.ts";
import { formatReply, type ReplyMode } from "./reply.ts";
import { FAILED, type State, type Status } from "./state.ts";
import { type Identity, identify, isSame, loadState, removeLeftover } from "./state-file.ts";

/**
 * What a signal or a command asks for: to read the file, or to take on a state made of the present
 * one.
 */
export type StateEvent = { readonly cause: string; readonly done?: (outcome: Outcome) => void } & (
  | { readonly kind: "reload" }
  | { readonly kind: "set"; readonly change: (state: State) => State }
);

/** How an event ended: `saved`, `not saved (ENOSPC)`, `loaded`, `refused (ENOENT)` and the like. */
export interface Outcome {
  readonly isGood: boolean;
  readonly text: string;
}

/** How long a check waits for a disk that hangs, in milliseconds. */
const PATIENCE_MS = 200;

/** What an agent works with. */
export interface AgentOptions {
  /** Path of the state file. */
  readonly file: string;
  readonly mode: ReplyMode;
  /** Whether `refresh` will be called: then the file's identity is noted whenever it is read. */
  readonly watch: boolean;
}

const LOADED: Outcome = { isGood: true, text: "loaded" };

/** A change of the status: weight and maxconn stay, the reason for the old status does not. */
export function withStatus(status: Status, reason?: string): (state: State) => State {
  return ({ reason: _, ...kept }) => ({ ...kept, status, ...(reason && { reason }) });
}

/**
 * Holds the state and the reply made of it. Events are handled one after another, each to its end,
 * in the order in which they came; the reply changes as soon as the new state is known, before it
 * is saved.
 */
export class Agent {
  /** The bytes that answer a check. */
  reply = new Uint8Array();
  /** The reply as a log shows it, without its newline. */
  replyText = "";
  state: State = FAILED;
  readonly #file: string;
  readonly #mode: ReplyMode;
  readonly #watch: boolean;
  readonly #encoder = new TextEncoder();
  /** The status that is answered in place of the state's while the agent is stopping. */
  #goodbye: Status | undefined;
  /** Events that wait for the one being handled. */
  readonly #waiting: StateEvent[] = [];
  #working: Promise<void> | undefined;
  /** A look at the file that has taken too long, until it comes back. */
  #hanging: Promise<void> | undefined;
  /** What the file was when it was last read. */
  #identity: Identity = {};
  #isSaving = false;

  constructor({ file, mode, watch }: AgentOptions) {
    this.#file = file;
    this.#mode = mode;
    this.#watch = watch;
    this.#answer();
  }

  /** Removes what a killed save left, and reads the state file for the first time. */
  async start(): Promise<void> {
    // Signals may already be here: what they ask for is done to the file's state, not in its place.
    this.#waiting.push({ kind: "reload", cause: "start" });
    this.#working = removeLeftover(this.#file).then(() => this.#work());
    await this.settled();
  }

  /** Takes an event, to be handled when those before it are. */
  push(event: StateEvent): void {
    const events = this.#waiting;
    // Of two signals of one kind in a row only the second has an effect, and of four that alternate
    // (set, reload, set, reload) only the last two: a storm of signals costs three saves, not
    // thousands.
    const last = events.at(-1);
    if (last?.kind === event.kind && !last.done && !event.done) events.pop();
    events.push(event);
    if (events.length > 3 && events.slice(-4).every(({ done }) => !done)) events.splice(-4, 2);
    this.#working ??= this.#work();
  }

  /** Takes an event like `push`, and tells how it ended. */
  request(event: StateEvent): Promise<Outcome> {
    return new Promise((done) => this.push({ ...event, done }));
  }

  /** Resolves when no event is being handled or waits. */
  async settled(): Promise<void> {
    await this.#working;
  }

  /**
   * Reads the file if it is not the one that was last read. While a change is being saved memory is
   * right. A disk that hangs holds up a check for so long only, and those after it not at all.
   */
  async refresh(): Promise<void> {
    if (this.#hanging !== undefined) return;
    const look = this.#look();
    const { promise: tooLate, resolve } = Promise.withResolvers<"too late">();
    const timer = setTimeout(resolve, PATIENCE_MS, "too late");
    const outcome = await Promise.race([look, tooLate]);
    clearTimeout(timer);
    if (outcome === "too late") this.#hanging ??= this.#outlast(look);
  }

  async #look(): Promise<void> {
    if (isSame(await identify(this.#file), this.#identity) || this.#isSaving) return;
    await this.request({ kind: "reload", cause: "watch" });
  }

  async #outlast(look: Promise<void>): Promise<void> {
    log("state file does not answer, the last state stays", { file: this.#file });
    await look;
    this.#hanging = undefined;
  }

  /** From now on answers this status, whatever the state is; it is not saved. */
  sayGoodbye(status: Status): void {
    this.#goodbye = status;
    this.#answer();
  }

  async #work(): Promise<void> {
    for (let event = this.#waiting.shift(); event; event = this.#waiting.shift()) {
      const outcome = event.kind === "reload" ? await this.#reload(event) : await this.#set(event);
      event.done?.(outcome);
    }
    this.#working = undefined;
  }

  async #reload({ cause }: StateEvent): Promise<Outcome> {
    const file = this.#file;
    // Before it is read: what is written to it meanwhile is another one, to be read at the next
    // check.
    const identity = this.#watch ? await identify(file) : {};
    // Of checks that come at once the first has read it.
    if (cause === "watch" && isSame(identity, this.#identity)) return LOADED;
    try {
      this.#become(await loadState(file), cause);
      return LOADED;
    } catch (error) {
      const reason = reasonOf(error);
      if (cause === "watch") {
        log("state file refused, the last good state stays", { cause, file, reason });
      } else {
        this.#become(FAILED, cause, { file, reason });
      }
      return { isGood: false, text: `refused (${reason})` };
    } finally {
      this.#identity = identity;
    }
  }

  async #set({ cause, change }: StateEvent & { kind: "set" }): Promise<Outcome> {
    this.#isSaving = true;
    this.#become(change(this.state), cause);
    const file = this.#file;
    try {
      const { saveState } = await import("./state-save.ts");
      const { rejected, inPlace } = await saveState(file, this.state);
      if (rejected) log("invalid state file set aside", { file: rejected });
      if (inPlace) log("saved in place, not atomically", { file, reason: inPlace });
      return { isGood: true, text: inPlace ? `saved in place (${inPlace})` : "saved" };
    } catch (error) {
      const reason = reasonOf(error);
      log("save failed", { file, reason });
      return { isGood: false, text: `not saved (${reason})` };
    } finally {
      this.#isSaving = false;
    }
  }

  #become(state: State, cause: string, failure?: { file: string; reason: string }): void {
    const old = this.replyText;
    this.state = state;
    this.#answer();
    // The first state is in the line that says where the agent listens.
    if (cause === "start" && !failure) return;
    // What the agent itself has saved is no news.
    if (cause === "watch" && old === this.replyText) return;
    log(failure ? "state file refused" : "state", { cause, ...failure, old, new: this.replyText });
  }

  #answer(): void {
    const state = this.#goodbye ? withStatus(this.#goodbye)(this.state) : this.state;
    const line = formatReply(state, this.#mode);
    this.reply = this.#encoder.encode(line);
    this.replyText = line.slice(0, -1);
  }
}
