import { readdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../scripts/lib/shell.ts";

/** What is no source: git's own, what is installed, what is built. */
const SKIPPED = new Set([".git", "node_modules", "dist"]);

/** The files of the repository, by their paths in it, without links; git need not be there. */
export function listFiles(directory = ""): string[] {
  return readdirSync(join(ROOT, directory), { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (SKIPPED.has(entry.name) || entry.isSymbolicLink()) return [];
    return entry.isDirectory() ? listFiles(path) : [path];
  });
}
