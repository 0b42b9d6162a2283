// Builds dist/hapgent for this machine, or an executable for each target that is named; --all
// names every target. A target's runtime must have the checksum that lib/runtime.ts has.
import { statSync } from "node:fs";
import { join } from "node:path";
import { version } from "../package.json";
import { compile, TARGETS } from "./lib/executable.ts";
import { readCommit } from "./lib/git.ts";
import { findRuntime, type Target } from "./lib/runtime.ts";
import { temporaryDirectory } from "./lib/temporary.ts";

const commit = readCommit().slice(0, 12);
const named = process.argv.slice(2);
const { path: directory } = temporaryDirectory();
for (const target of named[0] === "--all" ? TARGETS : named.map(readTarget)) {
  const runtime = `--compile-executable-path=${findRuntime(target)}`;
  build(`dist/hapgent-${version}-${target}`, `--target=bun-${target}`, runtime);
}
if (named.length === 0) build("dist/hapgent");

/** Compiles the agent, and an empty program to tell how much of the size is the runtime's. */
function build(outfile: string, ...flags: string[]): void {
  const empty = join(directory, "empty");
  compile("scripts/benchmark/subjects/empty.ts", empty, ...flags);
  const define = `--define=HAPGENT_COMMIT=${JSON.stringify(commit)}`;
  compile("src/main.ts", outfile, define, ...flags);
  const runtime = statSync(empty).size;
  const { size } = statSync(outfile);
  console.log(`${outfile}: ${size} bytes, runtime ${runtime}, ours ${size - runtime}`);
}

function readTarget(name: string): Target {
  const target = TARGETS.find((known) => known === name);
  if (target) return target;
  throw new Error(`expected a target of ${TARGETS.join(", ")}, got ${name}`);
}
