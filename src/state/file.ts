import { codeOf, describeError } from "../errors.ts";
import { JsonError, parseState, type State, StateError } from "./state.ts";

/** A state file is read up to this many bytes; a larger one is invalid. */
export const SIZE_LIMIT = 64 * 1024;

/**
 * Reads and parses the state file.
 *
 * @throws {StateError} when it is no regular file, is larger than 64 KiB or holds no valid state.
 * @throws the system's error when it cannot be read.
 */
export async function loadState(path: string): Promise<State> {
  const file = Bun.file(path);
  const stat = await file.stat();
  // Reading a FIFO would wait for a writer and a device may never end, so neither is opened.
  if (!stat.isFile()) throw new StateError(["expected a regular file"]);
  if (stat.size > SIZE_LIMIT) {
    throw new StateError([`expected at most ${SIZE_LIMIT} bytes, got ${stat.size}`]);
  }
  return await parseText(await file.slice(0, SIZE_LIMIT).text());
}

/**
 * Parses the text of a state file like `parseState`, and says where a text stops being JSON.
 *
 * @throws {StateError} as `parseState` does.
 */
export async function parseText(text: string): Promise<State> {
  try {
    return parseState(text);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const { findMistake } = await import("./json.ts");
    const mistake = text.trim() === "" ? "expected a JSON object, got nothing" : findMistake(text);
    throw mistake === undefined ? error : new StateError([mistake]);
  }
}

/**
 * What tells one version of the file from the next, or why there is none. It follows symlinks, so
 * that the swap of a linked directory is a new version too.
 */
export interface Identity {
  readonly inode?: number;
  readonly size?: number;
  /** Time of change, in milliseconds with a fraction. */
  readonly time?: number;
  readonly error?: string;
}

/** Looks at a file without reading it. */
export async function identify(path: string): Promise<Identity> {
  try {
    const { ino, size, mtimeMs } = await Bun.file(path).stat();
    return { inode: ino, size, time: mtimeMs };
  } catch (error) {
    return { error: codeOf(error) ?? describeError(error) };
  }
}

/** Whether two looks saw the same version. As a text its first large number would cost 0.1 MB. */
export function isSame(one: Identity, other: Identity): boolean {
  const { inode, size, time, error } = one;
  return (
    inode === other.inode && size === other.size && time === other.time && error === other.error
  );
}

/** Removes what a save that was killed may have left beside the state file. */
export async function removeLeftover(path: string): Promise<void> {
  // Nothing there is the usual case; and what cannot be removed is in nobody's way but the next
  // save's.
  await Bun.file(temporaryName(path))
    .delete()
    .catch(() => undefined);
}

/**
 * The hidden file beside `path` that a save writes and then renames; one name, so that none pile
 * up.
 */
export function temporaryName(path: string): string {
  const slash = path.lastIndexOf("/") + 1;
  return `${path.slice(0, slash)}.${path.slice(slash)}.hapgent`;
}
