import { lstat, readdir, unlink } from "node:fs/promises";
import { codeOf } from "../errors.ts";

/** After this time the save that made a file has ended or been given up, in milliseconds. */
const ABANDONED_MS = 60_000;

/** A temporary file's name: the process that made it, and a random part. */
const NAME = /^\..*\.hapgent\.(\d+)-[\da-z]+$/;

/** How much of a state file's name is kept: the names of files have at most 255 bytes. */
const KEPT = 50;

/**
 * A name for a hidden file beside `path` that a save writes and then renames. No two are alike, so
 * agents that share a file do not disturb each other.
 */
export function nameTemporary(path: string): string {
  const slash = path.lastIndexOf("/") + 1;
  const random = Math.random().toString(36).slice(2, 10);
  const name = `.${path.slice(slash, slash + KEPT)}.hapgent.${process.pid}-${random}`;
  return path.slice(0, slash) + name;
}

/**
 * Removes the leftovers of killed saves beside `path`: files of processes that are gone, and files
 * too old to be in use. A file that cannot be removed stays, and does no harm.
 */
export async function removeLeftovers(path: string): Promise<void> {
  const directory = path.slice(0, path.lastIndexOf("/") + 1);
  const names = await readdir(directory || ".").catch(() => []);
  for (const name of names) {
    const pid = NAME.exec(name)?.[1];
    if (pid === undefined) continue;
    const file = directory + name;
    const isLeftover = isGone(Number(pid)) || (await isAbandoned(file));
    if (isLeftover) await unlink(file).catch(() => undefined);
  }
}

/** Whether a process is gone; one of another machine or container looks gone, too. */
function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return codeOf(error) === "ESRCH";
  }
}

async function isAbandoned(file: string): Promise<boolean> {
  const found = await lstat(file).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs > ABANDONED_MS;
}
