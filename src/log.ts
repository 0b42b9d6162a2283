/** Values that a log line may carry; `undefined` leaves the key out. */
export type LogFields = Record<string, string | number | undefined>;

/** The most lines that are kept while stderr accepts none; more are dropped. */
const WAITING_LIMIT = 4;

const sink = Bun.stderr.writer();
let isTerminal = false;
/** Lines that wait for `writing`. */
let waiting: string[] = [];
let dropped = 0;
/** The write that stderr has not taken yet. */
let writing: Promise<void> | undefined;

/**
 * Writes one line about one event to stderr: `hapgent: MESSAGE key=value ...`.
 *
 * It never blocks and never throws: a log that nobody reads, that is closed, whose disk is full or
 * whose terminal is gone must not stop the replies. Lines that could not be written are counted,
 * and reported with the next one that can.
 */
export function log(message: string, fields: LogFields = {}): void {
  const line = formatLine(message, fields);
  if (waiting.length >= WAITING_LIMIT) dropped += 1;
  else waiting.push(line);
  if (!writing) writeWaiting();
}

/** Resolves when stderr has accepted or refused all that was written to it. */
export async function logged(): Promise<void> {
  await writing;
}

/**
 * From now on a stopped terminal (Ctrl-S) does not stop the agent: the runtime waits for a terminal
 * that it writes to, so another thread does it. Without a terminal, as an unset TERM shows, this
 * costs nothing.
 */
export async function leaveTerminal(env: { readonly TERM?: string | undefined }): Promise<void> {
  if (env.TERM === undefined) return;
  const stat = await Bun.file("/proc/self/fd/2")
    .stat()
    .catch(() => undefined);
  isTerminal = stat?.isCharacterDevice() ?? false;
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
    line += ` ${key}=${/^[\w./:@%+,[\]-]+$/.test(text) ? text : JSON.stringify(text)}`;
  }
  return `${line}\n`;
}

/** Writes the waiting lines; those that come during a slow write wait for its end. */
function writeWaiting(): void {
  const lines = waiting;
  const missed = dropped;
  waiting = [];
  dropped = 0;
  const lost = () => {
    dropped += missed + lines.length;
  };
  const note = missed > 0 ? `hapgent: lines dropped=${missed}\n` : "";
  try {
    const written = write(lines.join("") + note);
    if (!written) return;
    writing = written
      .then(() => undefined, lost)
      .then(() => {
        writing = undefined;
        if (waiting.length > 0) writeWaiting();
      });
  } catch {
    lost();
  }
}

/** Writes a text; returns undefined when that is done, else a promise of how it ends. */
function write(text: string): Promise<unknown> | undefined {
  // The runtime writes a blob, but not a text, in a thread of its pool.
  if (isTerminal) return Bun.write(Bun.stderr, new Blob([text]));
  const written: unknown = sink.write(text);
  const flushed: unknown = sink.flush();
  if (!(written instanceof Promise)) return flushed instanceof Promise ? flushed : undefined;
  if (!(flushed instanceof Promise)) return written;
  // On a full pipe the first of the two never settles; a failure shows in both.
  written.catch(() => undefined);
  return flushed;
}
