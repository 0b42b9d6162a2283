// Checks an agent every 10 ms, as HAProxy does, until it is sent SIGTERM; then prints what it saw.
import { ask } from "../system/harness.ts";

const port = Number(process.argv[2]);
const replies: Record<string, number> = {};
let isOver = false;
process.on("SIGTERM", () => {
  isOver = true;
});

const checks: Promise<void>[] = [];
process.stdout.write("polling\n");
while (!isOver) {
  checks.push(check());
  await Bun.sleep(10);
}
await Promise.all(checks);
console.log(JSON.stringify(replies));

async function check(): Promise<void> {
  const late = Bun.sleep(2000).then(() => "too late");
  const reply = await Promise.race([ask(port).catch((error: Error) => error.message), late]);
  replies[reply] = (replies[reply] ?? 0) + 1;
}
