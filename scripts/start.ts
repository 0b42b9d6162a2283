// Runs the agent from source. It installs its packages and needs no file in /etc: without
// HAPGENT_STATE_FILE it serves a private copy of a sample state, which is gone when the agent
// stops.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./lib/shell.ts";
import { temporaryDirectory } from "./lib/temporary.ts";

const SAMPLE = { status: "UP", weight: 100 };

run(["bun", "install", "--frozen-lockfile", "--silent"]);

if (process.env["HAPGENT_STATE_FILE"] === undefined) {
  const { path } = temporaryDirectory();
  process.env["HAPGENT_STATE_FILE"] = join(path, "state.json");
  writeFileSync(process.env["HAPGENT_STATE_FILE"], `${JSON.stringify(SAMPLE, null, 2)}\n`);
}

// Returns once the agent answers; ends the program when it cannot.
await import("../src/main.ts");

if (process.argv.length === 2) {
  const { HAPGENT_IP = "0.0.0.0", HAPGENT_PORT = "9777", HAPGENT_STATE_FILE } = process.env;
  const ip = HAPGENT_IP.replace(/^0\.0\.0\.0$/, "127.0.0.1").replace(/^::$/, "::1");
  console.log(`
Three things to try next, from another terminal:
  ask it     bash -c 'cat < /dev/tcp/${ip}/${HAPGENT_PORT}'
  signal it  kill -USR2 ${process.pid}  makes it DOWN, -USR1 makes it UP; edit the file, then -HUP:
             ${HAPGENT_STATE_FILE}
  point HAProxy at it, beside the service that it speaks for (port 8080 here):
             server s1 127.0.0.1:8080 weight 100 check agent-check agent-port ${HAPGENT_PORT}
`);
}
