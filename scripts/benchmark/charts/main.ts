// Draws the charts of a result beside it: bun run charts scripts/benchmark/results/VERSION.json
//
// The library that draws is in scripts/benchmark/package.json and is installed here, not before:
// nobody who only changes the agent needs its 67 MB.
import { needPackages } from "../../lib/packages.ts";

const [file] = process.argv.slice(2);
if (file === undefined) {
  console.error("expected the path of a result");
  process.exit(2);
}
needPackages("scripts/benchmark", "the charts");
const { drawCharts } = await import("./draw.ts");
drawCharts(file);
