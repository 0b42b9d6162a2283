// Draws the charts of a result beside it: bun run charts scripts/benchmark/results/VERSION.json
//
// The library that draws is in scripts/benchmark/package.json and is installed here, not before:
// nobody who only changes the agent needs its 67 MB.
import { resolve } from "node:path";
import { needPackages } from "../../lib/packages.ts";
import { run } from "../../lib/shell.ts";

const [file] = process.argv.slice(2);
if (file === undefined) {
  console.error("expected the path of a result");
  process.exit(2);
}
needPackages("scripts/benchmark", "the charts");
// A program does not see packages that came after it started.
run(["bun", "scripts/benchmark/charts/draw.ts", resolve(file)]);
