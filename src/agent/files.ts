import { describeError } from "../errors.ts";
import { type LogFields, log } from "../log.ts";
import { SERVICE_NAME } from "../sent.ts";
import { CHECK_MS, Disk, SILENCE, within } from "../state/disk.ts";
import { identify } from "../state/read.ts";
import { type Change, Keeper, type Outcome, type Surroundings } from "./keeper.ts";
import { Queue, Shared } from "./queue.ts";

/** The most services of one agent; a directory that has more files is read up to here. */
const SERVICE_LIMIT = 4096;

/** Where the files are. */
export interface FilesOptions extends Surroundings {
  readonly stateFile: string;
  /** The directory with a file NAME.json for each service; undefined: there are no services. */
  readonly directory: string | undefined;
}

/** The files of the host and its services: which there are, and what is done with all of them. */
export class Files {
  readonly #options: FilesOptions;
  readonly #own: Keeper;
  readonly #services = new Map<string, Keeper>();
  readonly #disk = new Disk();
  readonly #discoveries = new Queue();
  readonly #reload = new Shared(() => this.#readAll());
  #cause = "start";
  /** Changes that are not made, or not saved yet. */
  readonly #pending = new Set<Promise<unknown>>();
  #isStopping: boolean = false;

  constructor(options: FilesOptions) {
    this.#options = options;
    this.#own = new Keeper(undefined, options.stateFile, options);
  }

  /** The file of a service, of the host without a name; undefined when there is no such one. */
  find(name: string | undefined): Keeper | undefined {
    return name === undefined ? this.#own : this.#services.get(name);
  }

  /** The file whose state is not known to be saved, for a line of the log; if there is one. */
  get unsaved(): LogFields | undefined {
    const keepers = [this.#own, ...this.#services.values()];
    return keepers.find(({ file }) => file.isUnsaved)?.fields;
  }

  /** Reads all files for the first time; tells when the host's is read. */
  async start(hostIsRead?: () => void): Promise<void> {
    await this.#own.read("start");
    hostIsRead?.();
    if (this.#options.directory !== undefined) await this.#readServices();
  }

  /** Reads all files anew, as SIGHUP asks. Changes that come after it act on what is read. */
  reload(cause: string): Promise<Outcome> {
    this.#cause = cause;
    for (const keeper of [this.#own, ...this.#services.values()]) keeper.demandRead(cause);
    return this.#reload.run();
  }

  /**
   * Changes the state of a service, or of the host without a name, and saves it.
   *
   * @throws {StateError} as `Keeper.set` does.
   */
  async set(name: string | undefined, change: Change, cause: string): Promise<Outcome> {
    const keeper = this.find(name);
    if (keeper === undefined) return { isGood: false, text: `no such service: ${name}` };
    const work = keeper.set(change, cause);
    this.#pending.add(work);
    return await work.finally(() => this.#pending.delete(work));
  }

  /** Looks at the files that the reply to a check is made of, and takes on what changed. */
  async look(name: string | undefined): Promise<void> {
    await this.#own.look();
    if (name === undefined) return;
    const keeper = this.#services.get(name);
    if (keeper) await keeper.look();
    else await this.#discover(name);
  }

  /** Looks at all files. */
  async lookAtAll(): Promise<void> {
    for (const keeper of [this.#own, ...this.#services.values()]) await keeper.look();
  }

  /** Reads no further service: the agent stops, and must not wait for thousands of files. */
  stopReading(): void {
    this.#isStopping = true;
  }

  /** Resolves when all changes are made, and saved or known not to be. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#pending);
  }

  async #readAll(): Promise<Outcome> {
    const outcome = await this.#own.readDemanded();
    if (this.#options.directory === undefined) return outcome;
    const problem = await this.#readServices();
    if (problem === undefined)
      return { ...outcome, text: `${outcome.text}, ${this.#services.size} services` };
    return { isGood: false, text: outcome.isGood ? problem : `${outcome.text}; ${problem}` };
  }

  /** Reads the set of services, and each of them; returns what was wrong. */
  async #readServices(): Promise<string | undefined> {
    const cause = this.#cause;
    const { directory } = this.#options;
    let names: string[] = [];
    let problem: string | undefined;
    try {
      names = await this.#list(cause);
      const kept = new Set(names.slice(0, SERVICE_LIMIT));
      for (const name of this.#services.keys()) if (!kept.has(name)) this.#remove(name);
    } catch (error) {
      // Nothing is known of the services: those that were there stay.
      problem = `services not read: ${describeError(error)}`;
      log("services not read", { cause, directory, error: describeError(error) });
      names = [...this.#services.keys()];
    }
    if (names.length > SERVICE_LIMIT) {
      problem = `more than ${SERVICE_LIMIT} services: ${names.length - SERVICE_LIMIT} are left out`;
      log("too many services", { cause, directory, services: names.length, limit: SERVICE_LIMIT });
    }
    const bad: string[] = [];
    for (const name of names.slice(0, SERVICE_LIMIT)) {
      if (this.#isStopping) break;
      const keeper = this.#services.get(name);
      const { isGood } = keeper ? await keeper.readDemanded() : await this.#add(name);
      if (!isGood) bad.push(name);
    }
    const named = `refused: ${bad.slice(0, 8).join(", ")}${bad.length > 8 ? " ..." : ""}`;
    return problem ?? (bad.length > 0 ? named : undefined);
  }

  /** The names of the services in the directory, sorted. */
  async #list(cause: string): Promise<string[]> {
    const { directory = "" } = this.#options;
    const listed = await this.#disk.wait(this.#disk.ask(() => listNames(directory)));
    if (listed === undefined) throw new Error(SILENCE);
    const isService = (name: string) => SERVICE_NAME.test(name);
    const ignored = listed.filter((name) => !isService(name));
    if (ignored[0] !== undefined) {
      const fields = { cause, directory, files: ignored.length, file: `${ignored[0]}.json` };
      log("files that are named like no service, ignored", fields);
    }
    return ignored.length === 0 ? listed : listed.filter(isService);
  }

  /** Takes in a service whose file has appeared since the directory was read. */
  async #discover(name: string): Promise<void> {
    const { directory } = this.#options;
    if (directory === undefined || !SERVICE_NAME.test(name) || this.#disk.isSilent) return;
    const discovery = this.#discoveries.run(async () => {
      if (this.#services.has(name) || this.#services.size >= SERVICE_LIMIT) return;
      const look = this.#disk.ask(() => identify(this.#path(name)));
      const { error } = (await this.#disk.wait(look)) ?? { error: SILENCE };
      if (error !== undefined) return;
      await this.#add(name);
      const reply = this.#options.host.reply(name).text;
      log("service", { cause: "file", service: name, reply });
    });
    await within(CHECK_MS, discovery);
  }

  async #add(name: string): Promise<Outcome> {
    const keeper = new Keeper(name, this.#path(name), this.#options);
    this.#services.set(name, keeper);
    return await keeper.read("start");
  }

  #remove(name: string): void {
    this.#services.get(name)?.leave();
    this.#services.delete(name);
    this.#options.host.remove(name, this.#options.now());
    log("service gone", { cause: this.#cause, service: name });
  }

  #path(name: string): string {
    return `${this.#options.directory}/${name}.json`;
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
