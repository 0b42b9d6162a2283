// Plays every change of status to a real HAProxy and prints how its server ends, in Markdown.
import { formatMatrix, playMatrix } from "../test/system/matrix.ts";
import { needTools } from "./need.ts";
import { run } from "./run.ts";

await needTools({ haproxy: "haproxy" });
run(["bun", "scripts/build.ts"]);
console.log(formatMatrix(await playMatrix()));
