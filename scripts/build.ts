// Builds the executable of this machine: dist/hapgent.
import { run } from "./run.ts";

run([
  "bun",
  "build",
  "--compile",
  "--production",
  // The module that saves is loaded by the first save only, and with it node:fs.
  "--splitting",
  "--format=esm",
  "--minify",
  // Without these the program would read .env and run bunfig.toml's preloads from its working directory.
  "--no-compile-autoload-dotenv",
  "--no-compile-autoload-bunfig",
  "src/main.ts",
  "--outfile=dist/hapgent",
]);
