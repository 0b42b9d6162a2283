import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../../scripts/lib/until.ts";

/** How long the slowest of them, a release, may take on a busy machine (ms). */
const DEADLINE = 1_800_000;

/**
 * Makes a directory once in a run, and returns its path: whoever asks first makes it, and all others,
 * in files that run beside too, wait for that.
 *
 * @param make fills an empty directory, or returns another one that it made in it.
 */
export async function makeOnce(
  name: string,
  make: (directory: string) => Promise<unknown>,
): Promise<string> {
  const path = join(tmpdir(), name);
  const begun = `${path}.begun`;
  try {
    mkdirSync(begun);
  } catch (error) {
    if (!existsSync(begun)) throw error;
    await until(`${name} is made`, () => existsSync(path), DEADLINE);
    return path;
  }
  const unfinished = `${path}.unfinished`;
  mkdirSync(unfinished);
  const made = await make(unfinished);
  renameSync(typeof made === "string" ? made : unfinished, path);
  rmSync(unfinished, { recursive: true, force: true });
  return path;
}
