// Commands and the agent have the same executable: a signal that is meant for the agent
// (`pkill -USR2 hapgent`) must not end a command that waits.
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { EXIT } from "../exit.ts";

/** The signals that a COMMAND may have got ignored from whoever called, by number (signal(7)). */
const NUMBERS = { HUP: 1, INT: 2, QUIT: 3, USR1: 10, USR2: 12, TERM: 15 } as const;

/** The name of a signal, without its SIG. */
export type SignalName = keyof typeof NUMBERS;

/**
 * Makes a command outlive the signals of an agent. It gets a name of its own, which
 * `pkill -x hapgent` and `killall hapgent` pass by. SIGUSR1, SIGUSR2 and SIGHUP change nothing,
 * with handlers: whatever a command executes would inherit that they are ignored. A SIGHUP that
 * comes because the terminal is gone ends it, as SIGTERM does. The first 8 ms of the process, before
 * this runs, are not covered.
 */
export function outliveSignals(name: string): void {
  let hadTerminal = hasTerminal();
  handle("USR1", () => undefined);
  handle("USR2", () => undefined);
  handle("HUP", () => {
    if (!hadTerminal || hasTerminal()) return;
    // The shell and the kernel send one each, and the second SIGTERM of a deploy ends it at once.
    hadTerminal = false;
    // As SIGTERM does: a deploy has a handler, and a last line to say.
    if (!process.emit("SIGTERM")) process.exit(EXIT.failure);
  });
  try {
    // The kernel keeps 15 bytes (proc(5)).
    writeFileSync("/proc/self/comm", name);
  } catch {
    // Only the name stays as it is.
  }
}

/** Sets a handler, unless whoever started this process has it ignore the signal (nohup). */
export function handle(name: SignalName, run: () => void): void {
  if (!listIgnored().includes(name)) process.on(`SIG${name}`, run);
}

/** The signals that whoever started this process has it ignore. */
export function listIgnored(): SignalName[] {
  const names = Object.keys(NUMBERS) as SignalName[];
  try {
    const text = readFileSync("/proc/self/status", "latin1");
    // The lower half is enough: these are all below 32.
    const half = /^SigIgn:\s*[\da-f]*([\da-f]{8})$/m.exec(text)?.[1] ?? "";
    const mask = Number.parseInt(half, 16);
    return names.filter((name) => (mask >>> (NUMBERS[name] - 1)) % 2 === 1);
  } catch {
    // Without /proc nothing is known to be ignored.
    return [];
  }
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}
