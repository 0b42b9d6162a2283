// Builds the executables: dist/hapgent for this machine, with --all one for each target.
import { statSync } from "node:fs";
import { version } from "../package.json";
import { compile } from "./compile.ts";
import { capture } from "./run.ts";

const TARGETS = ["linux-x64", "linux-x64-musl", "linux-arm64", "linux-arm64-musl"];

const commit = capture(["git", "rev-parse", "--short=12", "HEAD"]) || "unknown";

if (process.argv[2] === "--all") {
  for (const target of TARGETS)
    build(`dist/hapgent-${version}-${target}`, `--target=bun-${target}`);
} else {
  build("dist/hapgent");
}

function build(outfile: string, ...flags: string[]): void {
  const define = `--define=HAPGENT_COMMIT=${JSON.stringify(commit)}`;
  compile("src/main.ts", outfile, define, ...flags);
  console.log(`${outfile}: ${statSync(outfile).size} bytes`);
}
