/** Does one step of a long program, and says when it begins, and when it ends and how long it took. */
export async function step(name: string, action: () => Promise<unknown>): Promise<void> {
  const begun = performance.now();
  say(name);
  await action();
  say(`${name}: done in ${((performance.now() - begun) / 1000).toFixed(1)} s`);
}

/** Prints a line with the time since this program began, in minutes and seconds. */
export function say(text: string): void {
  const seconds = Math.floor(performance.now() / 1000);
  console.log(`${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}  ${text}`);
}
