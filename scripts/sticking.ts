// Plays every change of status to a real HAProxy and prints how its server ends, in Markdown.
import { formatMatrix, playMatrix } from "./lib/matrix.ts";
import { run } from "./lib/shell.ts";
import { needTools } from "./lib/tools.ts";

await needTools({ haproxy: "haproxy" });
run(["bun", "scripts/build.ts"]);
console.log(formatMatrix(await playMatrix()));
