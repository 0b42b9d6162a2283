import { existsSync, realpathSync } from "node:fs";
import { capture, ROOT } from "./shell.ts";

/**
 * Runs git in the checkout and returns what it prints. In a container the checkout belongs to the
 * user of the machine outside, which git refuses unless it is told that this directory is safe.
 *
 * @throws when git fails: nothing is better than a wrong answer about what is being built.
 */
export function git(...words: string[]): string {
  return capture(["git", "-c", `safe.directory=${realpathSync(ROOT)}`, ...words]);
}

/**
 * The commit that is built, in full: HAPGENT_COMMIT, or git's. A source tree without git, such as
 * an unpacked tarball, has none: "unknown".
 */
export function readCommit(): string {
  return process.env["HAPGENT_COMMIT"] || (hasGit() ? git("rev-parse", "HEAD") : "unknown");
}

/** When that commit was made, in seconds: SOURCE_DATE_EPOCH, or git's; 0 without both. */
export function readCommitTime(): number {
  const text =
    process.env["SOURCE_DATE_EPOCH"] || (hasGit() ? git("log", "-1", "--format=%ct") : 0);
  const seconds = Number(text);
  if (Number.isSafeInteger(seconds) && seconds >= 0) return seconds;
  throw new Error(`expected SOURCE_DATE_EPOCH to be seconds since 1970, got ${text}`);
}

/** Whether this is a checkout, and git is there to read it. */
export function hasGit(): boolean {
  return existsSync(`${ROOT}.git`) && Bun.which("git") !== null;
}
