import { log } from "../log.ts";
import type { Events } from "./events.ts";
import type { Service } from "./service.ts";

/** How long a check waits for a disk that hangs, in milliseconds. */
const PATIENCE_MS = 200;

/** Rereads a state file that has changed before a check is answered; nothing runs in between. */
export class Watcher {
  readonly #events: Events;
  /** Looks that have taken too long, until they come back. */
  readonly #hanging = new Map<Service, Promise<void>>();

  constructor(events: Events) {
    this.#events = events;
  }

  /**
   * Looks at the file of a service, and reads it if it has changed. A disk that hangs holds up one
   * check for 0.2 s, and those after it not at all.
   */
  async refresh(service: Service): Promise<void> {
    if (this.#hanging.has(service)) return;
    const look = this.#look(service);
    const { promise: tooLate, resolve } = Promise.withResolvers<"too late">();
    const timer = setTimeout(resolve, PATIENCE_MS, "too late");
    const outcome = await Promise.race([look, tooLate]);
    clearTimeout(timer);
    if (outcome !== "too late" || this.#hanging.has(service)) return;
    log("state file does not answer, the last state stays", service.logFields);
    this.#hanging.set(
      service,
      look.then(() => void this.#hanging.delete(service)),
    );
  }

  async #look(service: Service): Promise<void> {
    // While a change is being saved memory is right.
    if ((await service.isCurrent()) || service.isSaving) return;
    await this.#events.request(() => service.reread());
  }
}
