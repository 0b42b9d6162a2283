import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { compile, type TARGETS } from "./executable.ts";
import { capture } from "./shell.ts";
import { temporaryDirectory } from "./temporary.ts";

export type Target = (typeof TARGETS)[number];

/**
 * Bun 1.4.5, the runtime inside the executable of each target: the name of its npm package
 * (`@oven/NAME`) and the SHA-256 of its file `bin/bun`. Bun does not verify what it downloads for
 * another target. When you raise Bun's version, replace the checksums:
 *
 *   npm pack @oven/NAME@VERSION     (npm checks the archive against the registry's sha512)
 *   tar -xzOf ARCHIVE package/bin/bun | sha256sum
 */
export const RUNTIMES: Record<Target, { readonly name: string; readonly sha256: string }> = {
  "linux-x64": {
    name: "bun-linux-x64",
    sha256: "f05d28a3862f4b84395c7fa32480b835dd47482e80b7e7a49a115227f0c06083",
  },
  "linux-x64-musl": {
    name: "bun-linux-x64-musl",
    sha256: "cf5d285ddbe256785a5121a3c113191a6b577504976374c7cfd5aedca609b720",
  },
  "linux-arm64": {
    name: "bun-linux-aarch64",
    sha256: "04778f1f42399a69d086853e9c7af4acf574b2f21a43d0dc673853d8b84a2923",
  },
  "linux-arm64-musl": {
    name: "bun-linux-aarch64-musl",
    sha256: "9c48986093073afec8b76a3e285303598dd2462f52748aecb65e4d94866e1ea3",
  },
};

/**
 * Finds the runtime of a target and verifies it: the Bun that runs this program, or a file in Bun's
 * cache, which it downloads first when it is missing.
 *
 * @returns its path.
 * @throws when its checksum is another one.
 */
export function findRuntime(target: Target): string {
  const { name, sha256 } = RUNTIMES[target];
  if (hash(process.execPath) === sha256) return process.execPath;
  const path = join(capture(["bun", "pm", "cache"]), `${name}-v${Bun.version}`);
  if (!existsSync(path)) download(target);
  const checksum = hash(path);
  if (checksum === sha256) return path;
  throw new Error(
    `expected ${path} to be @oven/${name} with the SHA-256 ${sha256}, got ${checksum}; ` +
      "remove the file to download it again",
  );
}

/** Lets Bun download a runtime: it does when it compiles for a target, and does not run it. */
function download(target: Target): void {
  using directory = temporaryDirectory();
  const outfile = join(directory.path, "empty");
  compile("scripts/benchmark/subjects/empty.ts", outfile, `--target=bun-${target}`);
}

function hash(path: string): string {
  return new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex");
}
