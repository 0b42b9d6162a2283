// A module of its own, loaded by the first save: node:fs costs 0.5 MB that most agents never need.
import type { Stats } from "node:fs";
import {
  type FileHandle,
  open,
  readFile,
  readlink,
  realpath,
  rename,
  rmdir,
  stat,
  unlink,
  writeFile,
} from "node:fs/promises";
import { codeOf, describeError } from "../errors.ts";
import { loadState, SIZE_LIMIT } from "./read.ts";
import { StateError } from "./state.ts";

/** Refusals of a new file in this directory, or in the place of a mount point. */
const REFUSALS: readonly unknown[] = ["EACCES", "EPERM", "EROFS", "EBUSY", "EEXIST"];

/** Errors of fsync on a file system that has none. */
const NO_SYNC: readonly unknown[] = ["EINVAL", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"];

/** The longest name that the temporary file keeps: names of files have at most 255 bytes. */
const KEPT = 120;

/** What was particular about a save: each is worth a line of the log. */
export interface Saved {
  /** Where an invalid or unreadable file was set aside: it may be somebody's work. */
  rejected?: string;
  /** Why the text was written in place, not atomically. */
  inPlace?: string;
  /** Owner and mode of the old file, where the new one could not have them. */
  replaced?: string;
  /** Why it may be lost with the machine's power. */
  undurable?: string;
}

/**
 * Replaces what a state file holds, so that it is whole at every moment, even when process or
 * machine die: a temporary file beside it, fsync, rename, fsync of the directory. Symlinks are
 * followed. Mode and owner stay; a new file has mode 0644. Where the directory takes no new file,
 * the file is a mount point, or the owner may not be given, the text is written in place.
 *
 * One save of a file at a time: the temporary file has one name. An editor may take the file away
 * at any moment.
 *
 * @throws {StateError} when what is there is no regular file, or larger than a state file can be.
 * @throws the system's error when the text was not saved; the old one is then still there.
 */
export async function replaceFile(path: string, text: string): Promise<Saved> {
  const target = await followLinks(path);
  const old = await stat(target).catch(ignoreMissing);
  if (old && !old.isFile()) throw new StateError(["expected a regular file"]);
  const content = await judge(target, old);
  const rejected = content === "no state" ? await copyAside(target) : undefined;
  const aside = content === "unreadable" ? `${target}.rejected` : undefined;
  // One way after another, as long as the system refuses them.
  const ways = [() => replace(target, text, { old, aside, keepsOwner: true })];
  if (old && !aside) ways.push(() => overwrite(target, text));
  if (old) ways.push(() => replace(target, text, { old, aside, keepsOwner: false }));
  const refusals: unknown[] = [];
  for (const way of ways) {
    try {
      const saved = await way();
      const inPlace = saved.inPlace && describeError(refusals[0]);
      return { ...saved, ...(rejected && { rejected }), ...(inPlace && { inPlace }) };
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
  const { old, aside, keepsOwner } = how;
  if (old) await mayReplace(target);
  const temporary = nameTemporary(target);
  // A killed save may have left one.
  await unlink(temporary).catch(ignore);
  // Exclusive: in a directory that others can write, nobody's symlink is followed.
  const file = await open(temporary, "wx", 0o600);
  const saved: Saved = {};
  try {
    try {
      await writeAll(file, Buffer.from(text), 0);
      const replaced = await takeRights(file, old, keepsOwner);
      if (replaced) saved.replaced = replaced;
      const undurable = await sync(file);
      if (undurable) saved.undurable = undurable;
    } finally {
      await file.close();
    }
    if (aside) await rename(target, aside).catch(ignoreMissing);
    try {
      await rename(temporary, target);
    } catch (error) {
      if (aside) await rename(aside, target);
      throw error;
    }
  } catch (error) {
    await unlink(temporary).catch(ignore);
    throw error;
  }
  if (aside) saved.rejected = aside;
  const undurable = saved.undurable ?? (await syncDirectory(target));
  return undurable ? { ...saved, undurable } : saved;
}

/**
 * Asks the system before a new file is made: a directory that only grows (`chattr +a`) would take
 * one, and keep it for ever. rmdir(2) looks at the rights first, and removes no file.
 *
 * @throws the system's refusal.
 */
async function mayReplace(target: string): Promise<void> {
  const answer = await rmdir(target).catch((error: unknown) => error);
  if (REFUSALS.includes(codeOf(answer))) throw answer;
}

/**
 * Writes `text`, which is ASCII, over a file's old one. First newlines (white space to JSON) make
 * the file long enough, so that a full disk loses nothing; then the text is written in one go,
 * padded to that length, so that the file is valid when the process dies before it is cut.
 */
async function overwrite(target: string, text: string): Promise<Saved> {
  const file = await open(target, "r+");
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
      const undurable = await sync(file);
      return { inPlace: "refused", ...(undurable && { undurable }) };
    } catch (error) {
      await writeAll(file, old, 0);
      await file.truncate(size);
      throw error;
    }
  } finally {
    await file.close();
  }
}

/** What a file holds before a save. */
async function judge(
  target: string,
  old: Stats | undefined,
): Promise<"nothing" | "a state" | "no state" | "unreadable"> {
  if (old === undefined || old.size === 0) return "nothing";
  try {
    await loadState(target);
    return "a state";
  } catch (error) {
    if (codeOf(error) === "ENOENT") return "nothing";
    if (!(error instanceof StateError)) return "unreadable";
  }
  // Nothing of that size is meant as a state: it is left alone, and not read into memory.
  if (old.size > SIZE_LIMIT) throw new StateError([`too large to overwrite: ${old.size} bytes`]);
  return "no state";
}

/** Keeps the text of an invalid file under another name, for the agent's user only. */
async function copyAside(target: string): Promise<string | undefined> {
  const text = await readFile(target).catch(ignoreMissing);
  if (text === undefined) return undefined;
  const rejected = `${target}.rejected`;
  try {
    await unlink(rejected).catch(ignoreMissing);
    await writeFile(rejected, text, { flag: "wx", mode: 0o600, flush: true });
  } catch (error) {
    // Overwritten, it would be lost.
    throw new Error(`the invalid text cannot be set aside: ${describeError(error)}`);
  }
  return rejected;
}

/** A name for the hidden file beside a state file that a save writes and then renames. */
function nameTemporary(target: string): string {
  const slash = target.lastIndexOf("/") + 1;
  const name = target.slice(slash);
  const kept = name.length > KEPT ? name.slice(0, KEPT / 2) + Bun.hash(name).toString(36) : name;
  return `${target.slice(0, slash)}.${kept}.hapgent-new`;
}

/** The path behind all symlinks, also when nothing is there yet (a dangling one). */
async function followLinks(path: string): Promise<string> {
  const real = await realpath(path).catch(ignoreMissing);
  if (real !== undefined) return real;
  const link = await readlink(path).catch(() => undefined);
  if (link === undefined) return path;
  const directory = path.slice(0, path.lastIndexOf("/") + 1);
  return followLinks(link.startsWith("/") ? link : directory + link);
}

/**
 * Gives a new file the owner and the mode of the old one. Where the owner need not stay it may
 * become the agent's own; then no other group gets a right that only the old one had.
 *
 * @returns owner and mode of the old file, if the new one could not have them.
 */
async function takeRights(
  file: FileHandle,
  old: Stats | undefined,
  keepsOwner: boolean,
): Promise<string | undefined> {
  if (old === undefined) {
    await file.chmod(0o644);
    return undefined;
  }
  const { uid, gid, mode } = old;
  const created = await file.stat();
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
async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    if (bytesWritten === 0) throw new Error("the disk takes no more");
    done += bytesWritten;
  }
}

/** Waits until a file is on the disk; returns why that cannot be known. */
async function sync(file: FileHandle): Promise<string | undefined> {
  try {
    await file.sync();
    return undefined;
  } catch (error) {
    if (NO_SYNC.includes(codeOf(error))) return describeError(error);
    throw error;
  }
}

/** Waits until a file's name is on the disk; returns why it may not be, which undoes no save. */
async function syncDirectory(target: string): Promise<string | undefined> {
  try {
    const directory = await open(target.slice(0, target.lastIndexOf("/") + 1) || ".", "r");
    await directory.sync().finally(() => directory.close());
    return undefined;
  } catch (error) {
    return describeError(error);
  }
}

function ignoreMissing(error: unknown): undefined {
  if (codeOf(error) !== "ENOENT") throw error;
}

function ignore(): void {
  // Something that is not there, or that may stay.
}
