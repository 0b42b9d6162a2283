import { codeOf, describeError } from "../errors.ts";
import { parseState, type State, StateError } from "./state.ts";

/** A state file is read up to this many bytes; a larger one is invalid. */
export const SIZE_LIMIT = 64 * 1024;

/** How long a version counts as young, in milliseconds: some file systems keep whole seconds. */
const YOUNG_MS = 2000;

/**
 * Reads and parses a state file.
 *
 * @param givenUp says that nobody waits for it any more: then what it returns is of no use.
 * @throws {StateError} when it is no regular file, is larger than 64 KiB or holds no valid state.
 * @throws the system's error when it cannot be read.
 */
export async function loadState(path: string, givenUp?: AbortSignal): Promise<State> {
  const stat = await Bun.file(path).stat();
  // Reading a FIFO would wait for a writer and a device may never end, so neither is opened.
  if (!stat.isFile()) throw new StateError(["expected a regular file"]);
  if (stat.size > SIZE_LIMIT) {
    throw new StateError([`expected at most ${SIZE_LIMIT} bytes, got ${stat.size}`]);
  }
  return await parseState(givenUp?.aborted ? "" : await readStart(path, givenUp));
}

/** Reads the first 64 KiB of a file, as a stream: reading it at once would cost 40 KB of memory. */
async function readStart(path: string, givenUp?: AbortSignal): Promise<string> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const reader = Bun.file(path).slice(0, SIZE_LIMIT).stream().getReader();
  // After EAGAIN the runtime never comes back by itself, and keeps a core busy.
  givenUp?.addEventListener("abort", () => void reader.cancel());
  for (;;) {
    const { done, value } = await reader.read();
    // Decoded as a file is: without its byte order mark.
    if (done) return await new Blob(chunks).text();
    chunks.push(value);
  }
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
