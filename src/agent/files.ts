import { describeError } from "../errors.ts";
import { type LogFields, log } from "../log.ts";
import { SERVICE_NAME } from "../sent.ts";
import { CHECK_MS, Disk, SILENCE, within } from "../state/disk.ts";
import { Queue } from "../state/queue.ts";
import { identify } from "../state/read.ts";
import { type Change, Keeper, type Outcome, type Surroundings } from "./keeper.ts";

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
  readonly #reloads = new Queue<Outcome>();
  /** Changes that are not made, or not saved yet. */
  readonly #pending = new Set<Promise<unknown>>();

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
    return this.#all.find(({ file }) => file.isUnsaved)?.fields;
  }

  /** Reads all files for the first time; tells when the host's is read. */
  async start(hostIsRead?: () => void): Promise<void> {
    await this.#own.read("start");
    hostIsRead?.();
    await this.#readServices("start");
  }

  /** Reads all files anew, as SIGHUP asks. Changes that come after it act on what is read. */
  reload(cause: string): Promise<Outcome> {
    for (const keeper of this.#all) keeper.demandRead(cause);
    return this.#reloads.share(() => this.#readAll(cause));
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

  /**
   * Looks at the files that the reply to a check is made of, and takes on what changed: the host's,
   * then the service's. It waits 0.2 s for each at most. Undefined: they are not watched.
   */
  look(name: string | undefined): Promise<void> | undefined {
    return this.#options.watch ? this.#look(name) : undefined;
  }

  async #look(name: string | undefined): Promise<void> {
    await this.#own.look();
    if (name === undefined) return;
    const keeper = this.#services.get(name);
    await (keeper ? keeper.look() : within(CHECK_MS, this.#discover(name)));
  }

  /** Looks at all files, if they are watched. */
  async lookAtAll(): Promise<void> {
    if (!this.#options.watch) return;
    for (const keeper of this.#all) await keeper.look();
  }

  /** Resolves when all changes are made, and saved or known not to be. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#pending);
  }

  get #all(): Keeper[] {
    return [this.#own, ...this.#services.values()];
  }

  async #readAll(cause: string): Promise<Outcome> {
    const outcome = await this.#own.refresh();
    const problem = await this.#readServices(cause);
    if (problem)
      return { isGood: false, text: outcome.isGood ? problem : `${outcome.text}; ${problem}` };
    if (this.#options.directory === undefined) return outcome;
    const { size } = this.#services;
    return { ...outcome, text: `${outcome.text}, ${size} service${size === 1 ? "" : "s"}` };
  }

  /** Reads the set of services, and each of them; returns what was wrong. */
  async #readServices(cause: string): Promise<string | undefined> {
    const { directory } = this.#options;
    if (directory === undefined) return undefined;
    let problem: string | undefined;
    try {
      const known = [...this.#services.keys()];
      const names = await this.#disk.ask(() => listServices(directory, cause, known));
      if (names === undefined) throw new Error(SILENCE);
      problem = this.#update(names, cause);
    } catch (thrown) {
      // Nothing is known of the services: those that were there stay.
      const error = describeError(thrown);
      log("services not read", { cause, directory, error });
      problem = `services not read: ${error}`;
      // Their files would hang, too: the other of the two threads is for the host's file and the log.
      if (error === SILENCE) return problem;
    }
    const bad: string[] = [];
    for (const [name, keeper] of this.#services) {
      if (!(await keeper.refresh()).isGood) bad.push(name);
    }
    if (problem !== undefined || bad.length === 0) return problem;
    return `refused: ${bad.sort().slice(0, 8).join(", ")}${bad.length > 8 ? " ..." : ""}`;
  }

  /** Takes the services of these names for all there are; returns what was wrong. */
  #update(names: readonly string[], cause: string): string | undefined {
    const { directory, host, now } = this.#options;
    const kept = new Set(names.slice(0, SERVICE_LIMIT));
    for (const [name, keeper] of this.#services) {
      // A save brings the file back: another keeper of it would not know what that has written.
      if (kept.has(name) || keeper.file.isSaving) continue;
      keeper.leave();
      this.#services.delete(name);
      host.remove(name, now());
      log("service gone", { cause, service: name });
    }
    for (const name of kept) if (!this.#services.has(name)) this.#add(name);
    const left = names.length - kept.size;
    if (left === 0) return undefined;
    log("too many services", { cause, directory, services: names.length, limit: SERVICE_LIMIT });
    return `more than ${SERVICE_LIMIT} services: ${left} are left out`;
  }

  /** Takes in a service whose file has appeared since the directory was read. */
  async #discover(name: string): Promise<void> {
    const { directory, host } = this.#options;
    if (directory === undefined || !SERVICE_NAME.test(name)) return;
    const since = performance.now();
    const found = await this.#disk.ask(async () => {
      // In a flood names come faster than a disk answers: no check waits for this one any more.
      const isLate = performance.now() - since >= CHECK_MS;
      return isLate ? undefined : await identify(pathOf(directory, name));
    });
    if (found === undefined || found.error !== undefined) return;
    const known = this.#services.get(name);
    if (!known && this.#services.size >= SERVICE_LIMIT) return;
    await (known ?? this.#add(name)).refresh();
    if (!known) log("service", { cause: "file", service: name, reply: host.reply(name).text });
  }

  #add(name: string): Keeper {
    const keeper = new Keeper(name, pathOf(this.#options.directory, name), this.#options);
    keeper.demandRead("start");
    this.#services.set(name, keeper);
    return keeper;
  }
}

/** The file of a service. */
function pathOf(directory: string | undefined, name: string): string {
  return `${directory}/${name}.json`;
}

/**
 * The names of the services in a directory, sorted; says what else is there. A file that is replaced
 * meanwhile may be missed (tmpfs): those that are known are looked for by name.
 */
async function listServices(directory: string, cause: string, known: string[]): Promise<string[]> {
  const names: string[] = [];
  const ignored: string[] = [];
  const scan = { cwd: directory, onlyFiles: false, throwErrorOnBrokenSymlink: false };
  for await (const file of new Bun.Glob("*.json").scan(scan)) {
    const name = file.slice(0, -".json".length);
    if (SERVICE_NAME.test(name)) names.push(name);
    else ignored.push(file);
  }
  const [file] = ignored.sort();
  const fields = { cause, directory, files: ignored.length, file };
  if (file) log("files that are named like no service, ignored", fields);
  const missed = new Set(known).difference(new Set(names));
  for (const name of missed) {
    if ((await identify(pathOf(directory, name))).error !== "ENOENT") names.push(name);
  }
  return names.sort();
}
