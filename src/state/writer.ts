import type { Stats } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { codeOf, describeError } from "../errors.ts";
import { nameTemporary } from "./temporary.ts";

/** Errors of fsync on a file system that has none. */
const NO_SYNC: ReadonlySet<string> = new Set(["EINVAL", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"]);

/** What a write and its caller tell each other while it runs. */
export interface Attempt {
  /** Whether its caller has given it up: then it leaves the file alone. */
  isLate: boolean;
  /** Whether the file holds the text. */
  isWritten: boolean;
}

/** How a write went. */
export interface Written {
  /** Owner and mode of the old file, where the new one could not have them. */
  readonly replaced?: string;
  /** Why it may be lost with the machine's power. */
  readonly undurable?: string;
}

/**
 * Replaces `name` with a new file that holds `text`, whole or not at all. It gets the mode and
 * owner of the old one where the system allows it, and never gives anybody more rights.
 *
 * @param options.aside where the old file is kept.
 */
export async function replaceFile(
  name: string,
  text: string | Buffer,
  attempt: Attempt,
  { old, aside }: { old?: Stats | undefined; aside?: string | undefined } = {},
): Promise<Written> {
  const temporary = nameTemporary(name);
  // Exclusive: in a directory that others can write, nobody's symlink is followed.
  const file = await open(temporary, "wx", 0o600);
  let replaced: string | undefined;
  let undurable: string | undefined;
  try {
    try {
      await writeAll(file, Buffer.from(text), 0);
      replaced = await takeRights(file, old);
      undurable = await sync(file);
    } finally {
      await file.close();
    }
    failIfLate(attempt);
    if (aside !== undefined) await rename(name, aside);
    try {
      await rename(temporary, name);
    } catch (error) {
      if (aside !== undefined) await rename(aside, name);
      throw error;
    }
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  attempt.isWritten = true;
  undurable ??= await syncDirectory(name);
  return { ...(replaced && { replaced }), ...(undurable && { undurable }) };
}

/**
 * Writes `text`, which is ASCII, over a file's old one. First newlines (white space to JSON) make
 * the file long enough, so that a full disk loses nothing; then the text is written in one go,
 * padded to that length, so that the file is valid when the process dies before it is cut.
 */
export async function overwriteFile(
  name: string,
  text: string,
  attempt: Attempt,
): Promise<Written> {
  const file = await open(name, "r+");
  try {
    const { size } = await file.stat();
    const old = await file.readFile();
    let undurable: string | undefined;
    try {
      if (text.length > size) {
        await writeAll(file, Buffer.alloc(text.length - size, "\n"), size);
        await sync(file);
      }
      failIfLate(attempt);
      await writeAll(file, Buffer.from(text.padEnd(size, "\n")), 0);
      attempt.isWritten = true;
      await sync(file);
      await file.truncate(text.length);
      undurable = await sync(file);
    } catch (error) {
      // It was reported as saved.
      if (attempt.isLate && attempt.isWritten) throw error;
      attempt.isWritten = false;
      await writeAll(file, old, 0);
      await file.truncate(old.length);
      throw error;
    }
    return undurable === undefined ? {} : { undurable };
  } finally {
    await file.close();
  }
}

/** Whether a mode gives the file's group rights that it does not give to all. */
export function hasGroupRights(mode: number): boolean {
  return (mode & ~(mode << 3) & 0o070) !== 0;
}

/**
 * Gives a new file the owner and the mode of the old one; returns those of the old one if it could
 * not have them.
 */
async function takeRights(file: FileHandle, old: Stats | undefined): Promise<string | undefined> {
  if (old === undefined) {
    await file.chmod(0o644);
    return undefined;
  }
  const { uid, gid } = await file.stat();
  if (old.uid !== uid || old.gid !== gid) await file.chown(old.uid, old.gid).catch(ignore);
  // Rights of the group alone may stand for an access control list (save.ts).
  await file.chmod((old.mode & 0o7707) | (old.mode & (old.mode << 3) & 0o070)).catch(ignore);
  const rights = describeRights(old);
  return describeRights(await file.stat()) === rights ? undefined : rights;
}

function describeRights({ uid, gid, mode }: Stats): string {
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
    if (NO_SYNC.has(codeOf(error) ?? "")) return describeError(error);
    throw error;
  }
}

/** Waits until a file's name is on the disk; returns why it may not be, which undoes no save. */
async function syncDirectory(name: string): Promise<string | undefined> {
  try {
    const directory = await open(name.slice(0, name.lastIndexOf("/") + 1) || ".", "r");
    await directory.sync().finally(() => directory.close());
    return undefined;
  } catch (error) {
    return describeError(error);
  }
}

function failIfLate({ isLate }: Attempt): void {
  if (isLate) throw new Error("nobody waits for it any more");
}

function ignore(): void {
  // The caller looks at the result.
}
