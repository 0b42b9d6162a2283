// Started with its signals blocked, as every launcher does, no signal kills the agent or is lost,
// however early it comes: at any moment of the start, by the end of which it answers.
import { test } from "bun:test";
import { renameSync, writeFileSync } from "node:fs";
import { startAgent } from "../../scripts/lib/agent.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { readBlockedSignals, readName } from "../proc.ts";
import { SIGNALS_BLOCKED } from "./launchers.ts";
import { times } from "./scale.ts";

const STARTS = times(100, 15);

/** Bits of SIGHUP, SIGUSR1 and SIGUSR2 in a signal mask. */
const MASK = (1n << 0n) | (1n << 9n) | (1n << 11n);

test.each<[NodeJS.Signals, string]>([
  ["SIGHUP", "READY 43%\n"],
  ["SIGUSR1", "UP 42%\n"],
  ["SIGUSR2", "DOWN 42%\n"],
])("%s in the first 20 ms: no start is killed, no signal is lost", async (name, reply) => {
  for (let start = 0; start < STARTS; start += 1) {
    using directory = temporaryDirectory();
    const stateFile = `${directory.path}/state.json`;
    writeFileSync(stateFile, '{"status":"MAINT","weight":42}');
    let sent: Promise<void> | undefined;
    await using agent = await startAgent({
      stateFile,
      launcher: SIGNALS_BLOCKED,
      env: TUNED,
      onSpawn(pid) {
        sent = sendEarly(pid, name, stateFile);
      },
    });
    await sent;
    await agent.answers(reply);
    await until("saved", () => agent.file().includes(reply.split(" ")[0] ?? ""));
  }
});

/** Sends a signal at a random moment of the first 20 ms; before SIGHUP the file is edited. */
async function sendEarly(pid: number, name: NodeJS.Signals, stateFile: string): Promise<void> {
  // Before that it is still `env`, which blocks them as its first act.
  while ((readBlockedSignals(pid) & MASK) !== MASK && readName(pid) !== "hapgent") await turn();
  const end = performance.now() + Math.random() * 20;
  while (performance.now() < end) await turn();
  if (name === "SIGHUP") {
    writeFileSync(`${stateFile}.new`, '{"status":"READY","weight":43}');
    renameSync(`${stateFile}.new`, stateFile);
  }
  process.kill(pid, name);
}

/** Lets other work of this process come first. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
