// Needs tools, as a script does: bun test/tools-fixture.ts JSON
import { needTools } from "../scripts/lib/tools.ts";

await needTools(JSON.parse(process.argv[2] ?? "{}"), "this test");
console.log("all there");
