// Fixes format and lint, as far as that can be done without a decision.
import { run } from "./lib/shell.ts";

run(["bun", "x", "biome", "check", "--write", "."]);
