import { parseState, type State, StateError } from "./state.ts";

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
  const bytes = await file.slice(0, SIZE_LIMIT + 1).bytes();
  if (bytes.length > SIZE_LIMIT) {
    throw new StateError([`expected at most ${SIZE_LIMIT} bytes, got ${stat.size}`]);
  }
  return parseState(new TextDecoder().decode(bytes));
}

/** Removes what a save that was killed may have left beside the state file. */
export async function removeLeftover(path: string): Promise<void> {
  // Nothing there is the usual case; and what cannot be removed is in nobody's way but the next save's.
  await Bun.file(temporaryName(path))
    .delete()
    .catch(() => undefined);
}

/** The hidden file beside `path` that a save writes and then renames; one name, so that none pile up. */
export function temporaryName(path: string): string {
  const slash = path.lastIndexOf("/") + 1;
  return `${path.slice(0, slash)}.${path.slice(slash)}.hapgent`;
}
