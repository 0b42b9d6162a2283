import { availableParallelism } from "node:os";

const start = performance.now();

/**
 * Does one step of a long program. Says when it begins and when it ends, with the time since the
 * program started.
 *
 * @param action may return a text about the result.
 */
export async function step(name: string, action: () => unknown): Promise<void> {
  const begun = performance.now();
  say(name);
  const result = await action();
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  say(`${name}: done in ${seconds} s${typeof result === "string" ? `, ${result}` : ""}`);
}

/** Prints a line with the time since the program started, in minutes and seconds. */
export function say(text: string): void {
  const seconds = Math.floor((performance.now() - start) / 1000);
  console.log(`${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}  ${text}`);
}

/**
 * Does all actions, in this order, as many at a time as the machine has processors.
 *
 * @throws the first error; after it no other action begins.
 */
export async function doInParallel(
  actions: readonly (() => Promise<unknown>)[],
  limit = availableParallelism(),
): Promise<void> {
  const left = [...actions];
  async function work(): Promise<void> {
    for (let action = left.shift(); action; action = left.shift()) {
      await action().catch((error: unknown) => {
        left.length = 0;
        throw error;
      });
    }
  }
  await Promise.all(Array.from({ length: limit }, work));
}
