import { log, reasonOf } from "./log.ts";
import { formatReply } from "./reply.ts";
import { FAILED, type State, type Status } from "./state.ts";
import { loadState, removeLeftover } from "./state-file.ts";

/** What a signal asks for: read the file, or take on a status and save it. */
export type StateEvent =
  | { readonly kind: "reload"; readonly cause: string }
  | { readonly kind: "set"; readonly cause: string; readonly status: Status };

/**
 * Holds the state and the reply made of it. Events are handled one after another, each to its end, in the
 * order in which they came; the reply changes as soon as the new state is known, before it is saved.
 */
export class Agent {
  /** The bytes that answer a check. */
  reply = Buffer.from(formatReply(FAILED));
  readonly #stateFile: string;
  #state: State = FAILED;
  /** Events that wait for the one being handled. */
  readonly #waiting: StateEvent[] = [];
  #working: Promise<void> | undefined;

  constructor(stateFile: string) {
    this.#stateFile = stateFile;
  }

  /** The reply as a log shows it, without its newline. */
  get replyText(): string {
    return this.reply.toString("latin1", 0, this.reply.length - 1);
  }

  /** Removes what a killed save left, and reads the state file for the first time. */
  async start(): Promise<void> {
    await removeLeftover(this.#stateFile);
    this.push({ kind: "reload", cause: "start" });
    await this.settled();
  }

  /** Takes an event, to be handled when those before it are. */
  push(event: StateEvent): void {
    // Of waiting events of one kind in a row only the last has an effect, and of four that alternate
    // (set, reload, set, reload) only the last two: so a storm of signals costs three saves, not thousands.
    if (this.#waiting.at(-1)?.kind === event.kind) this.#waiting.pop();
    this.#waiting.push(event);
    if (this.#waiting.length > 3) this.#waiting.splice(0, 2);
    this.#working ??= this.#work();
  }

  /** Resolves when no event is being handled or waits. */
  async settled(): Promise<void> {
    await this.#working;
  }

  async #work(): Promise<void> {
    for (let event = this.#waiting.shift(); event; event = this.#waiting.shift()) {
      if (event.kind === "reload") await this.#reload(event.cause);
      else await this.#set(event.status, event.cause);
    }
    this.#working = undefined;
  }

  async #reload(cause: string): Promise<void> {
    try {
      this.#become(await loadState(this.#stateFile), cause);
    } catch (error) {
      this.#become(FAILED, cause, { file: this.#stateFile, reason: reasonOf(error) });
    }
  }

  async #set(status: Status, cause: string): Promise<void> {
    const { reason: _, ...kept } = this.#state;
    this.#become({ ...kept, status }, cause);
    const file = this.#stateFile;
    try {
      const { saveState } = await import("./state-save.ts");
      const { rejected, inPlace } = await saveState(file, this.#state);
      if (rejected) log("invalid state file set aside", { file: rejected });
      if (inPlace) log("saved in place, not atomically", { file, reason: inPlace });
    } catch (error) {
      log("save failed", { file, reason: reasonOf(error) });
    }
  }

  #become(state: State, cause: string, failure?: { file: string; reason: string }): void {
    const old = this.replyText;
    this.#state = state;
    this.reply = Buffer.from(formatReply(state));
    log(failure ? "state file refused" : "state", { cause, ...failure, old, new: this.replyText });
  }
}
