// Asks every 10 ms until it is sent SIGTERM, then prints how often it was answered what: an agent,
// by its port, as HAProxy does; or a web server, by a URL.
import { ask } from "../../scripts/lib/check.ts";

const [, , target = ""] = process.argv;
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
  const asked = target.startsWith("http") ? get(target) : ask(Number(target));
  const answer = await Promise.race([asked.catch((error: Error) => error.message), late]);
  answers[answer] = (answers[answer] ?? 0) + 1;
}

async function get(url: string): Promise<string> {
  const response = await fetch(url, { keepalive: false });
  const text = await response.text();
  return response.ok ? text : `status ${response.status}`;
}
