import { freePort } from "../lib/port.ts";
import { type Subject, WORK } from "./subjects.ts";

/** Milliseconds within which a program has to give its first reply, unless said otherwise. */
const DEADLINE = 5000;

/** A program that runs; `await using program = await launch(subject)` kills it at the end. */
export interface Program extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
  /** Milliseconds from its launch to the end of its first reply. */
  readonly startMs: number;
}

/**
 * Starts a program and waits for its first reply.
 *
 * @param launcher What is put before its command.
 * @throws {Error} when it ends, or gives no reply within `deadline` milliseconds.
 */
export async function launch(
  subject: Subject,
  { launcher = [], deadline = DEADLINE }: { launcher?: string[]; deadline?: number } = {},
): Promise<Program> {
  const port = subject.listens ? freePort() : 0;
  const command = [...launcher, ...subject.command];
  const starter = Bun.spawn([`${WORK}start`, String(port), String(deadline), ...command], {
    env: { PATH: Bun.env["PATH"] ?? "", ...subject.env, HAPGENT_PORT: String(port) },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const stop = async () => {
    await starter.stdin.end();
    await starter.exited;
  };
  const line = await readLine(starter.stdout);
  const { pid, milliseconds, error } = JSON.parse(line) as Started;
  if (milliseconds === undefined) {
    await stop();
    throw new Error(`${subject.name}: ${error}`);
  }
  return { pid, port, startMs: milliseconds, [Symbol.asyncDispose]: stop };
}

/** What start.c prints. */
interface Started {
  pid: number;
  milliseconds?: number;
  error?: string;
}

async function readLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  return text;
}

/** Keeps all threads of a program on one CPU, where there are several. */
export function pin(pid: number, cpu: number): void {
  if (navigator.hardwareConcurrency < 2) return;
  Bun.spawnSync(["taskset", "--all-tasks", "--cpu-list", "--pid", String(cpu), String(pid)]);
}
