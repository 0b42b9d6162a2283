import { codeOf } from "../errors.ts";
import { limitRead } from "./deadline.ts";

/** After this time the save that made a file has ended or been given up, in milliseconds. */
const ABANDONED_MS = 60_000;

/** A temporary file's name: where and by which process it was made, and a random part. */
const NAME = /^\..*\.hapgent\.([0-9a-z]+)-(\d+)-[0-9a-z]+$/;

/** The whereabouts where the kernel does not tell them. */
const UNKNOWN = "0";

let whereabouts: string | undefined;

/** How much of a state file's name is kept: the names of files have at most 255 bytes. */
const KEPT = 50;

/**
 * A name for a hidden file beside `path` that a save writes and then renames. No two are alike: of
 * agents that share a file none is in another's way.
 */
export async function nameTemporary(path: string): Promise<string> {
  const slash = path.lastIndexOf("/") + 1;
  const name = path.slice(slash, slash + KEPT);
  const random = Math.random().toString(36).slice(2, 10);
  return `${path.slice(0, slash)}.${name}.hapgent.${await findWhereabouts()}-${process.pid}-${random}`;
}

/**
 * Removes what saves that were killed have left beside `path`: files of processes that are gone, or
 * that are too old to be of use to anybody. What cannot be removed stays: it is in nobody's way.
 */
export async function removeLeftovers(path: string): Promise<void> {
  const directory = path.slice(0, path.lastIndexOf("/") + 1) || "./";
  await limitRead(removeFrom(directory)).catch(() => undefined);
}

async function removeFrom(directory: string): Promise<void> {
  const scan = { cwd: directory, dot: true, onlyFiles: false };
  for await (const name of new Bun.Glob(".*.hapgent.*").scan(scan)) {
    const file = Bun.file(directory + name);
    if (await isLeftover(name, file).catch(() => false)) await file.delete().catch(() => undefined);
  }
}

async function isLeftover(name: string, file: Bun.BunFile): Promise<boolean> {
  const [, where, pid] = NAME.exec(name) ?? [];
  if (pid === undefined) return false;
  const here = await findWhereabouts();
  if (here !== UNKNOWN && here === where && isGone(Number(pid))) return true;
  return Date.now() - (await file.stat()).mtimeMs > ABANDONED_MS;
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return codeOf(error) === "ESRCH";
  }
}

/**
 * Where process ids mean what they mean here: this boot of this machine, this container. Other
 * machines and containers may write to the same directory.
 */
async function findWhereabouts(): Promise<string> {
  whereabouts ??= await readWhereabouts().catch(() => UNKNOWN);
  return whereabouts;
}

async function readWhereabouts(): Promise<string> {
  // By the way in which state files are read: `text` would cost 0.2 MB.
  const reader = Bun.file("/proc/sys/kernel/random/boot_id").stream().getReader();
  const { value: boot } = await reader.read();
  const { ino: container } = await Bun.file("/proc/self/ns/pid").stat();
  return Bun.hash(`${boot} ${container}`).toString(36);
}
