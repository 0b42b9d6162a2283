import { quote } from "./text.ts";

/** Values that a log line may carry; `undefined` leaves the key out. */
export type LogFields = Record<string, string | number | undefined>;

/** The most lines that are kept while stderr accepts none; more are dropped. */
const WAITING_LIMIT = 64;

/** Lines that wait for `writing`. */
let waiting: string[] = [];
let dropped = 0;
/** The write that stderr has not taken yet. */
let writing: Promise<void> | undefined;

/**
 * Writes one line about one event to stderr: `hapgent: MESSAGE key=value ...`.
 *
 * It never waits and never throws, whatever stderr is: a pipe that nobody reads, a terminal that is
 * stopped or gone, a file on a disk that hangs or is full must not stop the replies. A thread of
 * the runtime writes, one write at a time. Lines that could not be written are counted, and
 * reported with the next one that can.
 */
export function log(message: string, fields: LogFields = {}): void {
  const line = formatLine(message, fields);
  if (waiting.length >= WAITING_LIMIT) dropped += 1;
  else waiting.push(line);
  writing ??= writeWaiting();
}

/**
 * The last line of a program that cannot start. It waits for stderr: where no thread can be had
 * nothing else would say why.
 */
export function logLast(message: string): void {
  console.error(formatLine(message, {}).trimEnd());
}

/** Resolves when stderr has accepted or refused all that was written to it. */
export async function logged(): Promise<void> {
  await writing;
}

/**
 * One log line, newline included; a value that holds anything but plain characters is quoted as
 * JSON.
 */
export function formatLine(message: string, fields: LogFields): string {
  let line = `hapgent: ${message}`;
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const text = String(value);
    line += ` ${key}=${/^[\w./:@%+,[\]-]+$/.test(text) ? text : quote(text)}`;
  }
  return `${line}\n`;
}

/** Writes the waiting lines, and those that come meanwhile. */
async function writeWaiting(): Promise<void> {
  while (waiting.length > 0) {
    const lines = waiting;
    const missed = dropped;
    waiting = [];
    dropped = 0;
    const note = missed > 0 ? `hapgent: lines dropped=${missed}\n` : "";
    try {
      // The runtime writes a blob, but not a text, in a thread of its pool.
      await Bun.write(Bun.stderr, new Blob([...lines, note]));
    } catch {
      dropped += missed + lines.length;
    }
  }
  writing = undefined;
}
