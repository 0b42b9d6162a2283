// A module of its own, loaded by the first save: node:fs costs 0.5 MB that most agents never need.
import type { Stats } from "node:fs";
import * as fs from "node:fs/promises";
import { basename, dirname } from "node:path";
import { codeOf, describeError } from "../errors.ts";
import { loadState, SIZE_LIMIT } from "./read.ts";
import { StateError } from "./state.ts";

/** Refusals of a new file in this directory, or in the place of a mount point. */
const REFUSALS: readonly unknown[] = "EACCES EPERM EROFS EBUSY EEXIST ENAMETOOLONG".split(" ");

/** Errors of fsync on a file system that has none. */
const NO_SYNC: readonly unknown[] = ["EINVAL", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"];

/** What was particular about a save: each is worth a line of the log. */
export interface Saved {
  /** Where an invalid or unreadable file was set aside: it may be somebody's work. */
  readonly rejected?: string | undefined;
  /** Why the text was written in place, not atomically. */
  readonly inPlace?: string | undefined;
  /** Owner and mode of the old file, where the new one could not have them. */
  readonly replaced?: string | undefined;
  /** Why it may be lost with the machine's power. */
  readonly undurable?: string | undefined;
}

/**
 * Replaces what a state file holds, so that it is whole at every moment, even when process or
 * machine die: a temporary file beside it, fsync, rename, fsync of the directory. Symlinks are
 * followed. Mode and owner stay; a new file has mode 0644. Where the directory takes no new file,
 * or none of a longer name, the file is a mount point, or the owner may not be given, the text is
 * written in place.
 *
 * One save of a file at a time: the temporary file has one name. An editor may take the file away
 * at any moment.
 *
 * @throws {StateError} when what is there is no regular file, or larger than a state file can be.
 * @throws the system's error when the text was not saved; the old one is then still there.
 */
export async function replaceFile(path: string, text: string): Promise<Saved> {
  const target = await followLinks(path);
  const old = await fs.stat(target).catch(ignoreMissing);
  if (old && !old.isFile()) throw new StateError(["expected a regular file"]);
  const rejected = `${target}.rejected`;
  const kept = await keep(target, old, rejected);
  const aside = kept === "unreadable" ? rejected : undefined;
  const refusals: unknown[] = [];
  // One way after another, as long as the system refuses them.
  const ways = [() => replace(target, text, { old, aside, keepsOwner: true })];
  if (old && !aside) ways.push(() => overwrite(target, text, describeError(refusals[0])));
  if (old) ways.push(() => replace(target, text, { old, aside, keepsOwner: false }));
  for (const way of ways) {
    try {
      return { ...(await way()), rejected: kept && rejected };
    } catch (error) {
      if (!REFUSALS.includes(codeOf(error))) throw error;
      refusals.push(error);
    }
  }
  const refusal = refusals[1] ?? refusals[0];
  if (!aside) throw refusal;
  throw new Error(`what is there can be neither read nor set aside: ${describeError(refusal)}`);
}

/** How a new file takes the place of an old one. */
interface Replacement {
  readonly old: Stats | undefined;
  /** Where the old file is moved, if it is kept. */
  readonly aside: string | undefined;
  /** Whether owner and group must stay what they are. */
  readonly keepsOwner: boolean;
}

async function replace(target: string, text: string, how: Replacement): Promise<Saved> {
  const { old, aside } = how;
  if (old) await mayReplace(target);
  const temporary = `${dirname(target)}/.${basename(target)}.hapgent-new`;
  // A killed save may have left one.
  await fs.unlink(temporary).catch(ignore);
  // Exclusive: in a directory that others can write, nobody's symlink is followed.
  const file = await fs.open(temporary, "wx", 0o600);
  try {
    const saved = await fill(file, text, how);
    if (aside) await fs.rename(target, aside).catch(ignoreMissing);
    try {
      await fs.rename(temporary, target);
    } catch (error) {
      if (aside) await fs.rename(aside, target);
      throw error;
    }
    return { ...saved, undurable: saved.undurable ?? (await syncDirectory(target)) };
  } catch (error) {
    await fs.unlink(temporary).catch(ignore);
    throw error;
  }
}

async function fill(file: fs.FileHandle, text: string, how: Replacement): Promise<Saved> {
  try {
    await writeAll(file, Buffer.from(text), 0);
    return { replaced: await takeRights(file, how), undurable: await sync(file) };
  } finally {
    await file.close();
  }
}

/**
 * Asks the system before a new file is made: a directory that only grows (`chattr +a`) would take
 * one, and keep it for ever. rmdir(2) looks at the rights first, and removes no file.
 *
 * @throws the system's refusal.
 */
async function mayReplace(target: string): Promise<void> {
  const answer = await fs.rmdir(target).catch((error: unknown) => error);
  if (REFUSALS.includes(codeOf(answer))) throw answer;
}

/**
 * Writes `text`, which is ASCII, over a file's old one. First newlines (white space to JSON) make
 * the file long enough, so that a full disk loses nothing; then the text is written in one go,
 * padded to that length, so that the file is valid when the process dies before it is cut.
 */
async function overwrite(target: string, text: string, inPlace: string): Promise<Saved> {
  const file = await fs.open(target, "r+");
  try {
    const old = await file.readFile();
    const size = old.length;
    try {
      if (text.length > size) {
        await writeAll(file, Buffer.alloc(text.length - size, "\n"), size);
        await sync(file);
      }
      await writeAll(file, Buffer.from(text.padEnd(size, "\n")), 0);
      await sync(file);
      await file.truncate(text.length);
      return { inPlace, undurable: await sync(file) };
    } catch (error) {
      await writeAll(file, old, 0);
      await file.truncate(size);
      throw error;
    }
  } finally {
    await file.close();
  }
}

/**
 * Keeps what a file holds if it is no state, for the agent's user only.
 *
 * @returns whether that is done, or it cannot be read, and only be moved; undefined: nothing to keep.
 */
async function keep(target: string, old: Stats | undefined, rejected: string) {
  if (!old?.size) return undefined;
  const problem: unknown = await loadState(target).then(ignore, (error: unknown) => error);
  if (problem === undefined || codeOf(problem) === "ENOENT") return undefined;
  if (!(problem instanceof StateError)) return "unreadable";
  // Nothing of that size is meant as a state: it is left alone, and not read into memory.
  if (old.size > SIZE_LIMIT) throw new StateError([`too large to overwrite: ${old.size} bytes`]);
  const text = await fs.readFile(target).catch(ignoreMissing);
  if (text === undefined) return undefined;
  try {
    await fs.unlink(rejected).catch(ignoreMissing);
    await fs.writeFile(rejected, text, { flag: "wx", mode: 0o600, flush: true });
    return "copied";
  } catch (error) {
    // Overwritten, it would be lost.
    throw new Error(`the invalid text cannot be set aside: ${describeError(error)}`);
  }
}

/** The path behind all symlinks, also when nothing is there yet (a dangling one). */
async function followLinks(path: string): Promise<string> {
  const real = await fs.realpath(path).catch(ignoreMissing);
  if (real !== undefined) return real;
  const link = await fs.readlink(path).catch(ignore);
  if (link === undefined) return path;
  // Not made shorter: `..` of a linked directory is elsewhere.
  return followLinks(link.startsWith("/") ? link : `${dirname(path)}/${link}`);
}

/**
 * Gives a new file the owner and the mode of the old one. Where the owner need not stay it may
 * become the agent's own; then no other group gets a right that only the old one had.
 *
 * @returns owner and mode of the old file, if the new one could not have them.
 */
async function takeRights(
  file: fs.FileHandle,
  { old, keepsOwner }: Replacement,
): Promise<string | undefined> {
  const created = await file.stat();
  const { uid, gid, mode } = old ?? { ...created, mode: 0o644 };
  // Also a chown that changes nothing needs a right that a unit may not have.
  const isOwn = created.uid === uid && created.gid === gid;
  if (isOwn || keepsOwner) {
    if (!isOwn) await file.chown(uid, gid);
    await file.chmod(mode & 0o7777);
    return undefined;
  }
  await file.chmod((mode & 0o707) | (mode & (mode << 3) & 0o070));
  return `owner ${uid}:${gid}, mode ${(mode & 0o7777).toString(8)}`;
}

/** Writes all of it: the system may take a part only, as at the end of a disk. */
async function writeAll(file: fs.FileHandle, bytes: Buffer, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    if (bytesWritten === 0) throw new Error("the disk takes no more");
    done += bytesWritten;
  }
}

/** Waits until a file is on the disk; returns why that cannot be known. */
function sync(file: fs.FileHandle): Promise<string | undefined> {
  return file.sync().then(ignore, (error: unknown) => {
    if (!NO_SYNC.includes(codeOf(error))) throw error;
    return describeError(error);
  });
}

/** Waits until a file's name is on the disk; returns why it may not be, which undoes no save. */
function syncDirectory(target: string): Promise<string | undefined> {
  const open = fs.open(dirname(target), "r");
  const synced = open.then((directory) => directory.sync().finally(() => directory.close()));
  return synced.then(ignore, describeError);
}

function ignoreMissing(error: unknown): undefined {
  if (codeOf(error) !== "ENOENT") throw error;
}

function ignore(): undefined {
  // Nothing is wrong, or nothing that matters.
}
