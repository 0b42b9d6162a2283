/** Values that a log line may carry; `undefined` leaves the key out. */
export type LogFields = Record<string, string | number | undefined>;

const sink = Bun.stderr.writer();
let isBlocked = false;
let dropped = 0;

/**
 * Writes one line about one event to stderr: `hapgent: MESSAGE key=value ...`.
 *
 * It never blocks and never throws: a log that nobody reads, that is closed or whose disk is full
 * must not stop the answers. What could not be written is counted and reported with the next line
 * that can.
 */
export function log(message: string, fields: LogFields = {}): void {
  if (isBlocked) {
    dropped += 1;
    return;
  }
  const missed = dropped > 0 ? `hapgent: lines dropped=${dropped}\n` : "";
  try {
    sink.write(missed + formatLine(message, fields));
    const flushed = sink.flush();
    dropped = 0;
    if (flushed instanceof Promise) waitFor(flushed);
  } catch {
    dropped += 1;
  }
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

/**
 * A pipe that is full takes the line later: until then further lines are dropped, not kept in
 * memory.
 */
function waitFor(flushed: Promise<unknown>): void {
  isBlocked = true;
  flushed.then(
    () => {
      isBlocked = false;
    },
    () => {
      isBlocked = false;
      dropped += 1;
    },
  );
}
