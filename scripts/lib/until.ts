/** Milliseconds after which a condition that should have come true counts as failed. */
const DEADLINE = 60_000;

/**
 * Polls until `condition` gives something truthy, which it returns; fails after the deadline.
 *
 * @param what For the error; a function is called then, and can say what was seen last.
 */
export async function until<T>(
  what: string | (() => string),
  condition: () => T | Promise<T>,
  deadline = DEADLINE,
): Promise<NonNullable<T>> {
  const end = performance.now() + deadline;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > end) {
      throw new Error(`not within ${deadline} ms: ${typeof what === "string" ? what : what()}`);
    }
    await Bun.sleep(5);
  }
}
