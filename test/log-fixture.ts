// Logs each line of standard input, and says so on standard output: logging it held up nothing.
import { leaveTerminal, log, logged } from "../src/log.ts";

await leaveTerminal({ TERM: process.env["TERM"] });

for await (const line of console) {
  log(line);
  process.stdout.write(`${line}\n`);
}
await logged();
