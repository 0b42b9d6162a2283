import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

const ROOT = "/sys/fs/cgroup";
const MEGABYTE = 2 ** 20;

/** Where a control group with a limit of memory can be made, and its files, by version. */
export interface MemoryController {
  readonly parent: string;
  readonly limit: string;
  readonly peak: string;
  readonly kills: string;
}

/**
 * Finds where memory can be limited: version 1 below the group that we are in, version 2 at the
 * top.
 */
export function findMemoryController(): MemoryController | undefined {
  const own = /^\d+:memory:(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1];
  const candidates: MemoryController[] = [
    {
      parent: `${ROOT}/memory${own ?? ""}`,
      limit: "memory.limit_in_bytes",
      peak: "memory.max_usage_in_bytes",
      kills: "memory.oom_control",
    },
    {
      parent: ROOT,
      limit: "memory.max",
      peak: "memory.peak",
      kills: "memory.events",
    },
  ];
  return candidates.find((controller) => {
    try {
      const path = makeGroup(controller.parent, nextName());
      const isGood = existsSync(`${path}/${controller.limit}`);
      rmdirSync(path);
      return isGood;
    } catch {
      // Not there, or not ours to change: then the next one.
      return false;
    }
  });
}

/**
 * A control group for one program, with a limit of memory in megabytes that its page cache counts
 * against; `using` removes it, and kills what still runs in it.
 */
export class MemoryGroup implements Disposable {
  readonly path: string;
  readonly #controller: MemoryController;
  readonly #remove = () => removeGroup(this.path);

  constructor(controller: MemoryController, megabytes: number) {
    this.#controller = controller;
    this.path = makeGroup(controller.parent, nextName());
    writeFileSync(`${this.path}/${controller.limit}`, String(megabytes * MEGABYTE));
    process.on("exit", this.#remove);
  }

  /** What to put before a command that is to run in the group. */
  get launcher(): string[] {
    return ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', this.path];
  }

  /** The most that the group has held, in bytes, the page cache included. */
  get peak(): number {
    return Number(this.#read(this.#controller.peak));
  }

  /** How many processes of the group the kernel has killed for want of memory. */
  get kills(): number {
    return Number(/^oom_kill (\d+)$/m.exec(this.#read(this.#controller.kills))?.[1]);
  }

  [Symbol.dispose](): void {
    process.off("exit", this.#remove);
    this.#remove();
  }

  #read(name: string): string {
    return readFileSync(`${this.path}/${name}`, "utf8");
  }
}

/**
 * Makes a control group of this name in each of these hierarchies, below the one that this process
 * is in, and returns their paths.
 *
 * @param hierarchies controllers of version 1; the empty name is version 2.
 */
export function makeGroups(hierarchies: ReadonlySet<string>, name: string): string[] {
  const mounts = readFileSync("/proc/self/mounts", "utf8").matchAll(
    /^\S+ (\S+) cgroup(2?) (\S+)/gm,
  );
  const places = [...mounts].map(([, path = "", version, options = ""]) => ({
    path,
    names: version === "2" ? [""] : options.split(","),
  }));
  const made: string[] = [];
  for (const [, names = "", own = ""] of readFileSync("/proc/self/cgroup", "utf8").matchAll(
    /^\d+:([^:]*):(.*)$/gm,
  )) {
    const wanted = names.split(",").filter((name) => hierarchies.has(name));
    const place = places.find(({ names: there }) => wanted.some((name) => there.includes(name)));
    if (place) made.push(makeGroup(join(place.path, own), name));
  }
  return made;
}

/** How often a removal is tried, and how many milliseconds apart. */
const ATTEMPTS = 200;
const PAUSE = 25;

/**
 * Removes a group and those below it, which takes a moment when what ran in it was just killed;
 * what still runs is killed.
 */
export function removeGroup(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) removeGroup(join(path, entry.name));
  }
  for (let attempt = 1; ; attempt += 1) {
    try {
      for (const pid of readFileSync(`${path}/cgroup.procs`, "utf8").split("\n").filter(Boolean)) {
        process.kill(Number(pid), "SIGKILL");
      }
      rmdirSync(path);
      return;
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      Bun.sleepSync(PAUSE);
    }
  }
}

function makeGroup(parent: string, name: string): string {
  const path = join(parent, name);
  mkdirSync(path);
  return path;
}

let groups = 0;

function nextName(): string {
  groups += 1;
  return `hapgent-${process.pid}-${groups}`;
}
