import { ask } from "../lib/check.ts";
import { freePort } from "../lib/port.ts";
import type { Subject } from "./subjects.ts";

/** Milliseconds within which a program has to give its first reply, on a machine that is busy, too. */
const DEADLINE = 60_000;

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
 * @throws {Error} when it ends, or gives no reply in time.
 */
export async function launch(subject: Subject): Promise<Program> {
  const port = subject.listens ? freePort() : 0;
  const start = performance.now();
  const child = Bun.spawn(["setpriv", "--pdeathsig", "KILL", ...subject.command], {
    env: { PATH: Bun.env["PATH"] ?? "", ...subject.env, HAPGENT_PORT: String(port) },
    stdio: ["ignore", "ignore", "ignore"],
  });
  const passed = () => performance.now() - start;
  while (subject.listens && !(await ask(port).catch(() => ""))) {
    if (child.exitCode !== null || child.signalCode !== null || passed() > DEADLINE) {
      child.kill("SIGKILL");
      throw new Error(`${subject.name}: no reply within ${DEADLINE} ms`);
    }
    await Bun.sleep(PAUSE);
  }
  return {
    pid: child.pid,
    port,
    startMs: passed(),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

/** Keeps all threads of a program on one CPU. */
export function pin(pid: number, cpu: number): void {
  Bun.spawnSync(["taskset", "--all-tasks", "--cpu-list", "--pid", String(cpu), String(pid)]);
}
