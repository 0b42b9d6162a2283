// Logs each line of standard input, and says so on standard output: logging it held up nothing. It
// says, too, when stderr has taken or refused it.
import { log, logged } from "../src/log.ts";

for await (const line of console) {
  log(line);
  process.stdout.write(`${line}\n`);
  void logged().then(() => process.stdout.write(`${line} logged\n`));
}
await logged();
