// A module of its own, loaded by the first save: node:fs costs 0.5 MB that most agents never need.
import type { Stats } from "node:fs";
import { readFile, readlink, realpath, stat } from "node:fs/promises";
import { codeOf, describeError } from "../errors.ts";
import { LateError, limitTime } from "./deadline.ts";
import { loadState, SIZE_LIMIT } from "./file.ts";
import { formatState, type State, StateError } from "./state.ts";
import { removeLeftovers } from "./temporary.ts";
import {
  type Attempt,
  hasGroupRights,
  overwriteFile,
  replaceFile,
  type Written,
} from "./writer.ts";

/** Refusals of one way to write: no right to it, or the file is a mount point. */
const REFUSALS: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS", "EBUSY"]);

/** How a save went. */
export interface SaveOutcome extends Written {
  /** Where an invalid file was set aside. */
  readonly rejected?: string;
  /** Why the text was written in place, not atomically. */
  readonly inPlace?: string;
}

/** A save under way, and how it went so far. */
interface Save extends Attempt {
  readonly text: string;
  outcome: SaveOutcome;
}

/** What a file holds before a save. */
type Content = "nothing" | "a state" | "no state" | "unreadable";

/** Directories where this process has removed the leftovers of killed saves. */
const tidied = new Set<string>();

/** The last save of each file, until it returns. */
const running = new Map<string, Promise<void>>();

/**
 * Saves the state so that the file is whole at every moment, even when process or machine die: a
 * temporary file beside it, fsync, rename, fsync of the directory. Mode and owner stay where the
 * agent may keep them; a new file has mode 0644. A symlink is followed. The text is written in
 * place where the directory does not allow a rename, and where a group has rights that not all
 * have. An invalid or unreadable file is first set aside as `<name>.rejected`: it may be somebody's
 * work.
 *
 * No save overwrites a newer one: each begins when the one before it, of the same file, has
 * returned, and one that returns too late leaves the file alone.
 *
 * @throws {StateError} when what is there is no regular file, or is larger than a state file can
 * be.
 * @throws {LateError} when the disk does not answer.
 * @throws the system's error when the state was not saved, or what is there cannot be set aside;
 * the old text is then still there.
 */
export async function saveState(path: string, state: State): Promise<SaveOutcome> {
  const save: Save = { text: formatState(state), outcome: {}, isLate: false, isWritten: false };
  const earlier = running.get(path) ?? Promise.resolve();
  const work = earlier.then(() => write(path, save));
  const returned = work.then(forget, forget);
  function forget(): void {
    if (running.get(path) === returned) running.delete(path);
  }
  running.set(path, returned);
  try {
    await limitTime(work, () => {
      save.isLate = true;
    });
  } catch (error) {
    if (!(error instanceof LateError && save.isWritten)) throw error;
    save.outcome = { ...save.outcome, undurable: error.message };
  }
  return save.outcome;
}

async function write(path: string, save: Save): Promise<void> {
  if (save.isLate) return;
  const target = await followLinks(path);
  const old = await stat(target).catch(ignoreMissing);
  if (old && !old.isFile()) throw new StateError(["expected a regular file"]);
  const content = await judgeContent(target, old);
  if (old && content === "no state") add(save, { rejected: await copyAside(target, old) });

  // A group's mode may be the mask of an access control list, which the runtime cannot see: a new
  // file has no list, and would give the group what only others in the list had.
  const isOverwritten = old !== undefined && hasGroupRights(old.mode) && content !== "unreadable";
  if (isOverwritten) {
    const reason = `the group has rights of its own (mode ${(old.mode & 0o777).toString(8)})`;
    if (!(await findRefusal(overwrite(target, save, reason)))) return;
  }
  const refusal = await findRefusal(replace(target, save, content, old));
  if (refusal === undefined) {
    const directory = target.slice(0, target.lastIndexOf("/") + 1);
    if (!tidied.has(directory)) await removeLeftovers(target);
    tidied.add(directory);
  } else if (old === undefined || isOverwritten) {
    throw refusal;
  } else if (content === "unreadable") {
    throw new Error(`what is there can be neither read nor set aside: ${describeError(refusal)}`);
  } else {
    await overwrite(target, save, describeError(refusal));
  }
}

async function replace(target: string, save: Save, content: Content, old?: Stats): Promise<void> {
  const aside = content === "unreadable" ? `${target}.rejected` : undefined;
  const attempt = () => replaceFile(target, save.text, save, { old, aside });
  try {
    add(save, await attempt());
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
    // An agent on another machine or in another container cannot see this process, and may have
    // removed the temporary file as a leftover. It does that once.
    add(save, await attempt());
  }
  if (aside !== undefined) add(save, { rejected: aside });
}

async function overwrite(target: string, save: Save, inPlace: string): Promise<void> {
  add(save, await overwriteFile(target, save.text, save));
  add(save, { inPlace });
}

function add(save: Save, outcome: SaveOutcome): void {
  save.outcome = { ...save.outcome, ...outcome };
}

/** Waits for one way to write, and returns the error if it was refused. */
async function findRefusal(way: Promise<void>): Promise<Error | undefined> {
  try {
    await way;
    return undefined;
  } catch (error) {
    if (error instanceof Error && REFUSALS.has(codeOf(error) ?? "")) return error;
    throw error;
  }
}

async function judgeContent(target: string, old: Stats | undefined): Promise<Content> {
  if (old === undefined || old.size === 0) return "nothing";
  try {
    await loadState(target);
    return "a state";
  } catch (error) {
    if (error instanceof LateError) throw error;
    if (!(error instanceof StateError)) return "unreadable";
  }
  // Nothing of that size is meant as a state: it is left alone, and not read into memory.
  if (old.size > SIZE_LIMIT) throw new StateError([`too large to overwrite: ${old.size} bytes`]);
  return "no state";
}

/** Keeps the text of an invalid file under another name, and returns that name. */
async function copyAside(target: string, old: Stats): Promise<string> {
  const rejected = `${target}.rejected`;
  try {
    const attempt = { isLate: false, isWritten: false };
    await replaceFile(rejected, await readFile(target), attempt, { old });
  } catch (error) {
    // Overwritten, it would be lost.
    throw new Error(`the invalid text cannot be set aside: ${describeError(error)}`);
  }
  return rejected;
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
