import { codeOf, describeError } from "../errors.ts";
import { limitRead } from "./deadline.ts";
import { JsonError, parseState, type State, StateError } from "./state.ts";

/** A state file is read up to this many bytes; a larger one is invalid. */
export const SIZE_LIMIT = 64 * 1024;

/** How long a version counts as young, in milliseconds: some file systems keep whole seconds. */
const YOUNG_MS = 2000;

/**
 * Reads and parses the state file.
 *
 * @throws {StateError} when it is no regular file, is larger than 64 KiB or holds no valid state.
 * @throws {LateError} when the disk does not answer.
 * @throws the system's error when it cannot be read.
 */
export async function loadState(path: string): Promise<State> {
  const reading: Reading = { isLate: false };
  const late = () => {
    reading.isLate = true;
    // After EAGAIN the runtime never comes back by itself, and keeps a core busy.
    void reading.reader?.cancel();
  };
  return await parseText(await limitRead(readText(path, reading), late));
}

/** A read that may be given up. */
interface Reading {
  isLate: boolean;
  reader?: { cancel(): Promise<void> };
}

async function readText(path: string, reading: Reading): Promise<string> {
  const stat = await Bun.file(path).stat();
  // Reading a FIFO would wait for a writer and a device may never end, so neither is opened.
  if (!stat.isFile()) throw new StateError(["expected a regular file"]);
  if (stat.size > SIZE_LIMIT) {
    throw new StateError([`expected at most ${SIZE_LIMIT} bytes, got ${stat.size}`]);
  }
  if (reading.isLate) return "";
  return await readStart(path, reading);
}

/** Reads the first 64 KiB of a file, as a stream: reading it at once would cost 40 KB of memory. */
export async function readStart(path: string, reading?: Reading): Promise<string> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const reader = Bun.file(path).slice(0, SIZE_LIMIT).stream().getReader();
  if (reading) reading.reader = reader;
  for (;;) {
    const { done, value } = await reader.read();
    // Decoded as a file is: without its byte order mark.
    if (done) return await new Blob(chunks).text();
    chunks.push(value);
  }
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
 * Tells one version of a file from the next; or why there is no file. It follows symlinks, so that
 * the swap of a linked directory is a new version too.
 */
export interface Identity {
  readonly device?: number;
  readonly inode?: number;
  readonly size?: number;
  /** Times of the last change of the text and of anything, in milliseconds with a fraction. */
  readonly modified?: number;
  readonly changed?: number;
  /** Whether it is so new that a change since then may have left all of the above as it is. */
  readonly isYoung?: boolean;
  readonly error?: string;
}

/** Looks at a file without reading it. */
export async function identify(path: string): Promise<Identity> {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = await Bun.file(path).stat();
    return {
      device: dev,
      inode: ino,
      size,
      modified: mtimeMs,
      changed: ctimeMs,
      isYoung: Date.now() - ctimeMs < YOUNG_MS,
    };
  } catch (error) {
    return { error: codeOf(error) ?? describeError(error) };
  }
}

/** Whether two looks saw the same version. Compared as text, large numbers would cost 0.1 MB. */
export function isSame(one: Identity, other: Identity): boolean {
  return (
    one.device === other.device &&
    one.inode === other.inode &&
    one.size === other.size &&
    one.modified === other.modified &&
    one.changed === other.changed &&
    one.error === other.error
  );
}

/** Whether a file that was read as `read` is certainly still the same. */
export function isCurrent(read: Identity, now: Identity): boolean {
  return !read.isYoung && isSame(read, now);
}
