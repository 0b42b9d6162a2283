import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = "/sys/fs/cgroup";

/**
 * A control group with a limit of memory in megabytes, which page cache counts against, too; `using`
 * removes it, and kills what still runs in it.
 */
export class MemoryGroup implements Disposable {
  readonly path: string;
  readonly #kills: string;
  readonly #remove = () => removeGroup(this.path);

  constructor(megabytes: number) {
    // In version 1 memory has a hierarchy of its own.
    const own = /^\d+:memory:(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1];
    const parent = own === undefined ? ROOT : `${ROOT}/memory${own}`;
    this.path = makeGroup(parent, `hapgent-memory-${process.pid}-${megabytes}`);
    process.on("exit", this.#remove);
    const limit = own === undefined ? "memory.max" : "memory.limit_in_bytes";
    this.#kills = own === undefined ? "memory.events" : "memory.oom_control";
    writeFileSync(`${this.path}/${limit}`, String(megabytes * 2 ** 20));
  }

  /** What to put before a command that is to run in the group. */
  get launcher(): string[] {
    return ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', this.path];
  }

  /** How many processes of the group the kernel has killed for want of memory. */
  get kills(): number {
    const text = readFileSync(`${this.path}/${this.#kills}`, "utf8");
    return Number(/^oom_kill (\d+)$/m.exec(text)?.[1]);
  }

  [Symbol.dispose](): void {
    process.off("exit", this.#remove);
    this.#remove();
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

/** How often a removal is tried, and how many milliseconds apart: for a minute. */
const ATTEMPTS = 2400;
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
