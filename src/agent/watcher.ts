import { log } from "../log.ts";
import type { Events } from "./events.ts";
import type { Service } from "./service.ts";
import type { Services } from "./services.ts";

/** How long a check waits for a disk that hangs, in milliseconds. */
const PATIENCE_MS = 200;

/**
 * Rereads the state files that have changed before a check is answered; nothing runs in between. A
 * disk that hangs holds up one check for 0.2 s, and those after it not at all.
 */
export class Watcher {
  readonly #services: Services;
  readonly #events: Events;
  /** Looks that have taken too long and have not returned. */
  readonly #hanging = new Set<Service | Services>();
  /** Rereads that have not begun. */
  readonly #waiting = new Map<Service, Promise<void>>();

  constructor(services: Services, events: Events) {
    this.#services = services;
    this.#events = events;
  }

  /** Rereads the files of the service that a check asks for by what it sent, if they changed. */
  async refresh(sent: string): Promise<void> {
    const services = this.#services;
    const { host } = services;
    await this.#patiently(host, () => this.#look(host));
    const service = services.find(sent);
    if (service === undefined) {
      await this.#patiently(services, () => services.discover(sent, this.#events));
    } else if (service !== host) {
      await this.#patiently(service, () => this.#look(service));
    }
  }

  /** Waits for a look, but not for one that hangs. */
  async #patiently(target: Service | Services, look: () => Promise<void>): Promise<void> {
    if (this.#hanging.has(target)) return;
    const { promise: tooLate, resolve } = Promise.withResolvers<"too late">();
    const timer = setTimeout(resolve, PATIENCE_MS, "too late");
    const looking = look();
    const outcome = await Promise.race([looking, tooLate]);
    clearTimeout(timer);
    if (outcome !== "too late" || this.#hanging.has(target)) return;
    this.#hanging.add(target);
    log("state file does not answer, the last state stays", target.fileFields);
    void looking.then(() => this.#hanging.delete(target));
  }

  async #look(service: Service): Promise<void> {
    // While a change is being saved memory is right.
    if ((await service.isCurrent()) || service.isSaving) return;
    await this.#reread(service);
  }

  /** Rereads a file; checks that come before a reread has begun share it. */
  #reread(service: Service): Promise<void> {
    const waiting = this.#waiting.get(service);
    if (waiting !== undefined) return waiting;
    let hasBegun = false;
    const reread = this.#events.request(() => {
      hasBegun = true;
      this.#waiting.delete(service);
      return service.reread();
    });
    // With nothing else to do it has begun already.
    if (!hasBegun) this.#waiting.set(service, reread);
    return reread;
  }
}
