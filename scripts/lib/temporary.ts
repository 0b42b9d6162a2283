import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The directories that are there now. */
const paths = new Set<string>();

process.on("exit", () => {
  for (const path of paths) remove(path);
});

/**
 * A new directory among the temporary ones. `using directory = temporaryDirectory()` removes it
 * with its scope; without `using` it goes when the program ends, also when a command of it fails.
 */
export function temporaryDirectory(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "hapgent-"));
  paths.add(path);
  return { path, [Symbol.dispose]: () => remove(path) };
}

function remove(path: string): void {
  rmSync(path, { recursive: true, force: true });
  paths.delete(path);
}
