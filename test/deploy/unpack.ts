import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

/** What tests download stays here from run to run; remove it to have it all anew. */
const CACHE = process.env["HAPGENT_CACHE"] ?? "/var/cache/hapgent-tests";

/** A directory of the cache, which is made when it is not there. */
export async function cached(
  name: string,
  make: (path: string) => Promise<unknown>,
): Promise<string> {
  const path = join(CACHE, name);
  if (existsSync(path)) return path;
  // Only what is whole gets the name; of two that make it at once the first wins.
  const unfinished = `${path}.${process.pid}`;
  mkdirSync(CACHE, { recursive: true });
  rmSync(unfinished, { recursive: true, force: true });
  try {
    await make(unfinished);
    if (!existsSync(path)) renameSync(unfinished, path);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return path;
}
