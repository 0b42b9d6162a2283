// Checks types, lint and format.
import { run } from "./lib/shell.ts";

run(["bun", "x", "tsc", "--project", "."]);
run(["bun", "x", "biome", "check", "--error-on-warnings", "."]);
