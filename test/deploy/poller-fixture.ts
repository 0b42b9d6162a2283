// Asks an agent every 10 ms as HAProxy does, by its port, until it is sent SIGTERM; then prints how often
// it was answered what.
import { ask } from "../../scripts/lib/check.ts";

const port = Number(process.argv[2]);
const answers: Record<string, number> = {};
let isOver = false;
process.on("SIGTERM", () => {
  isOver = true;
});

const questions: Promise<void>[] = [];
process.stdout.write("polling\n");
while (!isOver) {
  questions.push(question());
  await Bun.sleep(10);
}
await Promise.all(questions);
console.log(JSON.stringify(answers));

async function question(): Promise<void> {
  const late = Bun.sleep(5000).then(() => "too late");
  const asked = ask(port).catch((error: Error) => error.message);
  const answer = await Promise.race([asked, late]);
  answers[answer] = (answers[answer] ?? 0) + 1;
}
