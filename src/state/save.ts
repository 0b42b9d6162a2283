// A module of its own, loaded by the first save: node:fs costs 0.5 MB that most agents never need.
import type { Stats } from "node:fs";
import { open, readFile, readlink, realpath, rename, rm, stat } from "node:fs/promises";
import { codeOf, describeError } from "../errors.ts";
import { loadState, SIZE_LIMIT, temporaryName } from "./file.ts";
import { formatState, type State, StateError } from "./state.ts";

/**
 * Refusals that make a save write in place: no right to the directory, or the file is a mount
 * point.
 */
const IN_PLACE: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS", "EBUSY"]);

/** How a save went. */
export interface SaveOutcome {
  /** What forbade the rename, so that the text was written in place. */
  readonly inPlace?: string;
  /** Where a text that was no valid state was set aside. */
  readonly rejected?: string;
}

/**
 * Saves the state so that the file is whole at every moment, even when process or machine die: a
 * temporary file beside it, fsync, rename, fsync of the directory. Mode and owner stay; a new file
 * has mode 0644. A symlink is followed. Where the directory does not allow a rename, the text is
 * written in place. What is no valid state is first set aside as `<name>.rejected`: it may be
 * somebody's work.
 *
 * @throws {StateError} when what is there is no regular file, or is larger than a state file can
 * be.
 * @throws the system's error when the state was not saved, or what is there cannot be set aside;
 * the old text is then still there.
 */
export async function saveState(path: string, state: State): Promise<SaveOutcome> {
  const target = await followLinks(path);
  const old = await stat(target).catch(ignoreMissing);
  if (old && !old.isFile()) throw new StateError(["expected a regular file"]);
  const rejected = old && old.size > 0 ? await setAsideInvalid(target, old) : undefined;
  const outcome: SaveOutcome = rejected === undefined ? {} : { rejected };
  const text = formatState(state);
  try {
    await replaceFile(target, text, temporaryName(target), old);
    return outcome;
  } catch (error) {
    if (!old || !IN_PLACE.has(codeOf(error) ?? "")) throw error;
    await overwriteFile(target, text, old.size);
    return { ...outcome, inPlace: describeError(error) };
  }
}

/** Keeps a text that is no valid state under another name, which it returns. */
async function setAsideInvalid(target: string, old: Stats): Promise<string | undefined> {
  try {
    await loadState(target);
    return undefined;
  } catch (error) {
    // A file that may be written but not read can hold nobody's valid state: it is overwritten.
    if (!(error instanceof StateError)) return undefined;
  }
  // Nothing that size was meant as a state: it is left alone, and not read into memory either.
  if (old.size > SIZE_LIMIT) throw new StateError([`too large to overwrite: ${old.size} bytes`]);
  const rejected = `${target}.rejected`;
  try {
    await replaceFile(rejected, await readFile(target), temporaryName(target), old);
  } catch (error) {
    // Overwritten, it would be lost.
    throw new Error(`the invalid text cannot be set aside: ${describeError(error)}`);
  }
  return rejected;
}

/**
 * Makes `name` hold `text` at once or not at all, with the mode and owner of the file that it
 * replaces.
 */
async function replaceFile(name: string, text: string | Buffer, temporary: string, old?: Stats) {
  await rm(temporary, { force: true });
  // Exclusive: in a directory that others can write, nobody's symlink is followed.
  const file = await open(temporary, "wx", 0o600);
  try {
    try {
      await file.writeFile(text);
      const { uid, gid } = await file.stat();
      if (old && (old.uid !== uid || old.gid !== gid)) await file.chown(old.uid, old.gid);
      await file.chmod(old ? old.mode & 0o7777 : 0o644);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, name);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  const directory = await open(name.slice(0, name.lastIndexOf("/") + 1) || ".", "r");
  await directory.sync().finally(() => directory.close());
}

/**
 * Writes `text` over a file's old one, in one write padded with newlines (white space to JSON) to
 * the old size: killed before the truncation, the file is valid all the same, and a full disk is
 * not asked for more.
 */
async function overwriteFile(name: string, text: string, oldSize: number): Promise<void> {
  const file = await open(name, "r+");
  try {
    await file.write(Buffer.from(text.padEnd(oldSize, "\n")), 0, undefined, 0);
    await file.truncate(text.length);
    await file.sync();
  } finally {
    await file.close();
  }
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

function ignoreMissing(error: unknown): undefined {
  if (codeOf(error) !== "ENOENT") throw error;
}
