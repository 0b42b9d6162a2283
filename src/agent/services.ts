import { describeError } from "../errors.ts";
import { type LogFields, log } from "../log.ts";
import { nameIn, SERVICE_NAME } from "../sent.ts";
import { limitRead } from "../state/deadline.ts";
import { identify } from "../state/file.ts";
import type { ReplyMode } from "../state/reply.ts";
import { type State, type Status, withStatus } from "../state/state.ts";
import type { Events } from "./events.ts";
import { type Outcome, type Reply, Service, type ServiceOptions } from "./service.ts";

/** The most services of one agent; a directory that has more files is read up to here. */
export const SERVICE_LIMIT = 4096;

/** The answer to an unknown name: HAProxy takes the server out, and shows why. */
const UNKNOWN = "FAIL #no such service";

/** How the services of a host are kept. */
export interface ServicesOptions {
  /** Path of the host's state file. */
  readonly file: string;
  /** The directory with a file NAME.json for each service; undefined: there is one, the host. */
  readonly directory: string | undefined;
  readonly mode: ReplyMode;
  readonly watch: boolean;
  /** Called before any reply changes. */
  readonly changing?: () => void;
}

/**
 * The services of a host, by name, and the host that comes before them: unless it is UP or READY,
 * its status and reason answer for every service, each with its own weight and maxconn.
 */
export class Services {
  readonly host: Service;
  readonly #options: ServicesOptions;
  readonly #named = new Map<string, Service>();
  /** When one went last, and its name has another answer since (performance.now()). */
  #goneAt = 0;
  /** Whether the agent stops: then no further file is read. */
  #isStopping: boolean = false;
  /** The status that is answered in place of every state's while the agent stops. */
  #stopStatus: Status | undefined;

  constructor(options: ServicesOptions) {
    this.#options = options;
    this.host = new Service({
      ...this.#common(),
      file: options.file,
      effective: (state) => this.#whileStopping(state),
      changed: () => this.#updateNamed(),
    });
  }

  /** The services by name, without the host. */
  get named(): readonly Service[] {
    return [...this.#named.values()];
  }

  /** The host and all services. */
  get all(): readonly Service[] {
    return [this.host, ...this.#named.values()];
  }

  /** Whether there can be several services. */
  get areSeveral(): boolean {
    return this.#options.directory !== undefined;
  }

  /** The directory, for a line of the log. */
  get fileFields(): LogFields {
    return { directory: this.#options.directory };
  }

  /** Since when all of them are known (performance.now()). */
  get addedAt(): number {
    return Math.max(...this.all.map(({ addedAt }) => addedAt));
  }

  /** When an answer changed last (performance.now()). */
  get changedAt(): number {
    return Math.max(this.#goneAt, ...this.all.map(({ changedAt }) => changedAt));
  }

  /** The service of this name. */
  get(name: string): Service | undefined {
    return this.#named.get(name);
  }

  /** Whether what a check has sent so far names a service: then it need not wait for more. */
  isComplete(sent: string): boolean {
    return this.#named.has(nameIn(sent));
  }

  /**
   * The service that a check asks for by what it sent: the host when it sent nothing, undefined
   * when there is no service of that name.
   */
  find(sent: string): Service | undefined {
    const name = nameIn(sent);
    return name === "" || !this.areSeveral ? this.host : this.#named.get(name);
  }

  /** The reply to what a check sent. */
  answer(sent: string): Reply {
    const reply = this.find(sent)?.reply;
    return reply ?? { bytes: new TextEncoder().encode(`${UNKNOWN}\n`), text: UNKNOWN };
  }

  /** Reads all files for the first time; tells when the host's is read. */
  async start(hostIsRead?: () => void): Promise<void> {
    await this.host.start();
    hostIsRead?.();
    if (this.areSeveral) await this.#readDirectory("start");
  }

  /** Reads the host's file and all services anew, as SIGHUP asks; tells how many failed. */
  async reload(cause: string): Promise<Outcome> {
    const outcome = await this.host.reload(cause);
    if (!this.areSeveral) return outcome;
    const problem = await this.#readDirectory(cause);
    if (problem === undefined)
      return { ...outcome, text: `${outcome.text}, ${this.#named.size} services` };
    return { isGood: false, text: outcome.isGood ? problem : `${outcome.text}; ${problem}` };
  }

  /** Takes in a service whose file has appeared since the directory was read. */
  async discover(sent: string, events: Events): Promise<void> {
    const name = nameIn(sent);
    if (!SERVICE_NAME.test(name)) return;
    if ((await identify(this.#path(name))).error !== undefined) return;
    await events.request(async () => {
      if (this.#named.has(name) || this.#named.size >= SERVICE_LIMIT) return;
      const service = this.#add(name);
      await service.start();
      log("service", { cause: "watch", service: name, reply: service.reply.text });
    });
  }

  /** Reads no further service: the agent stops, and must not wait for thousands of files. */
  stopReading(): void {
    this.#isStopping = true;
  }

  /** From now on answers this status for every service, whatever its state is; it is not saved. */
  answerWhileStopping(status: Status): void {
    this.#options.changing?.();
    this.#stopStatus = status;
    this.host.update();
    this.#updateNamed();
  }

  /** Reads the set of services, and each of them; returns what was wrong. */
  async #readDirectory(cause: string): Promise<string | undefined> {
    const { directory } = this.#options;
    let problem: string | undefined;
    let names: string[] = [];
    try {
      const listed = await limitRead(listNames(directory ?? ""));
      names = listed.filter((name) => SERVICE_NAME.test(name));
      const ignored = listed.find((name) => !SERVICE_NAME.test(name));
      if (ignored !== undefined) {
        const files = listed.length - names.length;
        log("files that are named like no service, ignored", {
          cause,
          directory,
          files,
          file: `${ignored}.json`,
        });
      }
    } catch (error) {
      problem = `services not read: ${describeError(error)}`;
      log("services not read", { cause, directory, error: describeError(error) });
    }
    if (names.length > SERVICE_LIMIT) {
      problem = `more than ${SERVICE_LIMIT} services: ${names.length - SERVICE_LIMIT} are left out`;
      log("too many services", { cause, directory, services: names.length, limit: SERVICE_LIMIT });
    }
    const kept = new Set(names.slice(0, SERVICE_LIMIT));
    for (const name of this.#named.keys()) {
      if (kept.has(name)) continue;
      this.#options.changing?.();
      this.#goneAt = performance.now();
      this.#named.delete(name);
      log("service gone", { cause, service: name });
    }
    const bad: string[] = [];
    for (const name of kept) {
      if (this.#isStopping) break;
      const known = this.#named.get(name);
      const { isGood } = await (known ? known.reload(cause) : this.#add(name).start());
      if (!isGood) bad.push(name);
    }
    if (bad.length > 0)
      problem ??= `refused: ${bad.slice(0, 8).join(", ")}${bad.length > 8 ? " ..." : ""}`;
    return problem;
  }

  #add(name: string): Service {
    this.#options.changing?.();
    const service = new Service({
      ...this.#common(),
      name,
      file: this.#path(name),
      effective: (state) => this.#afterHost(state),
    });
    this.#named.set(name, service);
    return service;
  }

  #common(): Pick<ServiceOptions, "mode" | "watch" | "changing"> {
    const { mode, watch, changing } = this.#options;
    return { mode, watch, ...(changing && { changing }) };
  }

  #path(name: string): string {
    return `${this.#options.directory}/${name}.json`;
  }

  #updateNamed(): void {
    for (const service of this.#named.values()) service.update();
  }

  #afterHost(state: State): State {
    const { status, reason } = this.host.state;
    const isOpen = status === "UP" || status === "READY";
    return this.#whileStopping(isOpen ? state : withStatus(status, reason)(state));
  }

  #whileStopping(state: State): State {
    return this.#stopStatus ? withStatus(this.#stopStatus)(state) : state;
  }
}

/** What is in a directory by names without their ending, sorted. */
async function listNames(directory: string): Promise<string[]> {
  const names: string[] = [];
  const scan = { cwd: directory, onlyFiles: false, throwErrorOnBrokenSymlink: false };
  for await (const file of new Bun.Glob("*.json").scan(scan)) {
    names.push(file.slice(0, -".json".length));
  }
  return names.sort();
}
