import { codeOf, describeError } from "../errors.ts";
import { parseState, type State, StateError } from "./state.ts";

/** A state file is read up to this many bytes; a larger one is invalid. */
export const SIZE_LIMIT = 64 * 1024;

/** How long a version counts as young, in milliseconds: some file systems keep whole seconds. */
const YOUNG_MS = 2000;

/**
 * Reads and parses a state file.
 *
 * @param isStarting whether nobody is answered yet.
 * @throws {StateError} when it is no regular file, is larger than 64 KiB or holds no valid state.
 * @throws the system's error when it cannot be read.
 */
export async function loadState(path: string, isStarting = () => false): Promise<State> {
  const stat = await Bun.file(path).stat();
  // Reading a FIFO would wait for a writer and a device may never end, so neither is opened.
  if (!stat.isFile()) throw new StateError(["expected a regular file"]);
  if (stat.size > SIZE_LIMIT) {
    throw new StateError([`expected at most ${SIZE_LIMIT} bytes, got ${stat.size}`]);
  }
  const file = Bun.file(path).slice(0, SIZE_LIMIT);
  // The main thread opens and reads a stream, and would stand still with the disk. The other way
  // another thread does, which costs a start with 100 services 0.3 MB.
  const text = isStarting() ? new Blob(await Array.fromAsync(file.stream())).text() : file.text();
  return await parseState(await text);
}

/**
 * Tells one version of a file from the next; or why there is no file. It follows symlinks, so that
 * the swap of a linked directory is a new version too.
 */
export interface Identity {
  readonly device?: number;
  readonly inode?: number;
  readonly size?: number;
  /** Times of the last change of the text and of anything, in milliseconds with a fraction. */
  readonly modified?: number;
  /** NaN, like no other, while it is so new that one more change may leave all as it is. */
  readonly changed?: number;
  /** How many names it has: 0 where a bind mount shows a file that was replaced. */
  readonly links?: number;
  readonly error?: string;
}

/** Compared one by one: as text, large numbers would cost 0.1 MB. */
const COMPARED = ["device", "inode", "size", "modified", "changed", "error"] as const;

/** Looks at a file without reading it. */
export async function identify(path: string): Promise<Identity> {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs, nlink } = await Bun.file(path).stat();
    const changed = Date.now() - ctimeMs < YOUNG_MS ? NaN : ctimeMs;
    return { device: dev, inode: ino, size, modified: mtimeMs, changed, links: nlink };
  } catch (error) {
    return { error: codeOf(error) ?? describeError(error) };
  }
}

/** Whether a file that was read as `read` is certainly still the same. */
export function isCurrent(read: Identity, now: Identity): boolean {
  return COMPARED.every((field) => read[field] === now[field]);
}
