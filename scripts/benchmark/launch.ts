import { ask } from "../lib/check.ts";
import { freePort } from "../lib/port.ts";
import type { Subject } from "./subjects.ts";

/** Milliseconds within which a program has to give its first reply, unless said otherwise. */
const DEADLINE = 5000;

/** Milliseconds between two questions to a program that does not answer yet. */
const PAUSE = 0.2;

/** A program that runs; `await using program = await launch(subject)` kills it at the end. */
export interface Program extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
  /** Milliseconds from its launch to the end of its first reply. */
  readonly startMs: number;
}

/**
 * Starts a program, which ends with this one at the latest, and waits for its first reply.
 *
 * @param launcher What is put before its command.
 * @throws {Error} when it ends, or gives no reply within `deadline` milliseconds.
 */
export async function launch(
  subject: Subject,
  { launcher = [], deadline = DEADLINE }: { launcher?: string[]; deadline?: number } = {},
): Promise<Program> {
  const port = subject.listens ? freePort() : 0;
  const start = performance.now();
  const command = ["setpriv", "--pdeathsig", "KILL", ...launcher, ...subject.command];
  const child = Bun.spawn(command, {
    env: { PATH: Bun.env["PATH"] ?? "", ...subject.env, HAPGENT_PORT: String(port) },
    stdio: ["ignore", "ignore", "ignore"],
  });
  const program = {
    pid: child.pid,
    port,
    startMs: 0,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
  const isAnswered = async () => (await ask(port).catch(() => "")) !== "";
  const passed = () => performance.now() - start;
  // A program that is short of memory may accept a question, and never answer it.
  const late = Bun.sleep(deadline).then(() => false);
  while (subject.listens && !(await Promise.race([isAnswered(), late]))) {
    if (child.exitCode !== null || child.signalCode !== null || passed() > deadline) {
      await program[Symbol.asyncDispose]();
      throw new Error(`${subject.name}: no reply within ${deadline} ms`);
    }
    await Bun.sleep(PAUSE);
  }
  return { ...program, startMs: passed() };
}

/** Keeps all threads of a program on one CPU, where there are several. */
export function pin(pid: number, cpu: number): void {
  if (navigator.hardwareConcurrency < 2) return;
  Bun.spawnSync(["taskset", "--all-tasks", "--cpu-list", "--pid", String(cpu), String(pid)]);
}
