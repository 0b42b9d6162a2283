// Logs each line of standard input, and says so on standard output: logging it held up nothing.
import { log, logged } from "../src/log.ts";

for await (const line of console) {
  log(line);
  process.stdout.write(`${line}\n`);
}
await logged();
