import { existsSync } from "node:fs";
import { join } from "node:path";
import { ROOT, run } from "./shell.ts";

/**
 * Makes sure that the packages are there which a directory's own lockfile pins, and says so where
 * they have to be installed. What only one script or test needs is kept there, apart from what
 * everybody installs.
 *
 * @param purpose What needs them, for the line that says what is installed.
 */
export function needPackages(directory: string, purpose: string): void {
  const path = join(ROOT, directory);
  // Not to stdout, which may be a script's result.
  if (!existsSync(join(path, "node_modules"))) {
    console.error(`installing the packages of ${directory}/package.json for ${purpose}`);
  }
  // One at a time: two tests may need them at once.
  const install = ["bun", "install", "--frozen-lockfile", "--ignore-scripts", "--silent"];
  run(["flock", join(path, "package.json"), ...install], path);
}
