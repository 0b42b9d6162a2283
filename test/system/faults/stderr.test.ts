// Nothing that happens to stderr stops the agent or makes it spin.
import { expect, test } from "bun:test";
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { type AgentProcess, startAgent } from "../../../scripts/lib/agent.ts";
import { Load } from "../../../scripts/lib/load.ts";
import { cpuTime, readUsage } from "../../../scripts/lib/proc.ts";
import { temporaryDirectory } from "../../../scripts/lib/temporary.ts";
import { until } from "../../../scripts/lib/until.ts";
import { TUNED } from "../../../src/agent/tuning.ts";
import { formatState } from "../../../src/state/state.ts";
import { inMounts, inShell } from "./launchers.ts";
import { GROWTH_LIMIT } from "./memory.ts";
import { times } from "./scale.ts";

const EVENTS = times(2000, 200);
const STATE = { status: "UP", weight: 42 } as const;

test("stderr closed: answers on", async () => {
  using nothing = openDescriptor("/dev/null");
  await using agent = await startAgent({
    state: STATE,
    launcher: inShell("exec 2>&-"),
    stderr: nothing.descriptor,
    env: TUNED,
  });
  await worksOn(agent);
});

test("all of stdin, stdout and stderr closed: answers on, and nothing of it is logged to a socket", async () => {
  using nothing = openDescriptor("/dev/null");
  await using agent = await startAgent({
    state: STATE,
    launcher: inShell("exec <&- >&- 2>&-"),
    stderr: nothing.descriptor,
    env: TUNED,
  });
  await worksOn(agent);
});

test("stderr on a full disk: answers on", async () => {
  using nothing = openDescriptor("/dev/null");
  using mount = temporaryDirectory();
  await using agent = await startAgent({
    state: STATE,
    launcher: inMounts(`mount -t tmpfs -o size=4k none ${mount.path}
      dd if=/dev/zero of=${mount.path}/log bs=4k count=1 status=none
      exec 2>> ${mount.path}/log`),
    stderr: nothing.descriptor,
    env: TUNED,
  });
  await worksOn(agent);
});

test("stderr where every write fails (/dev/full): answers on", async () => {
  using full = openDescriptor("/dev/full");
  await using agent = await startAgent({ state: STATE, stderr: full.descriptor, env: TUNED });
  await worksOn(agent);
});

test("stderr a full pipe that nobody reads: answers on; when it is read, it says what was dropped", async () => {
  using pipe = new Pipe().fill();
  await using agent = await startAgent({ state: STATE, stderr: pipe.writer, env: TUNED });
  await worksOn(agent);
  drain(pipe.reader);
  agent.signal("SIGHUP");
  let text = "";
  await until("dropped lines are told", () => {
    text += drain(pipe.reader);
    if (/hapgent: lines dropped=\d+\n/.test(text)) return true;
    agent.signal("SIGHUP");
    return false;
  });
});

test("stderr a full pipe whose reader goes away: answers on, and does not spin", async () => {
  using pipe = new Pipe().fill();
  await using agent = await startAgent({ state: STATE, stderr: pipe.writer, env: TUNED });
  await worksOn(agent);
  pipe.close();
  await worksOn(agent);
  const cpu = cpuTime(agent.pid);
  await Bun.sleep(1000);
  expect(cpuTime(agent.pid) - cpu).toBeLessThan(50);
});

test("stderr a pipe whose reader goes away: answers on", async () => {
  using pipe = new Pipe();
  await using agent = await startAgent({ state: STATE, stderr: pipe.writer, env: TUNED });
  pipe.close();
  await worksOn(agent);
});

/**
 * Events that all log, beside polls: all answered at once, the last one done, and no memory kept.
 */
async function worksOn(agent: AgentProcess): Promise<void> {
  using load = new Load(agent.port, { connections: 2, pause: 1 });
  let memory = 0;
  for (let i = 0; i < EVENTS; i += 1) {
    agent.signal(i % 2 ? "SIGHUP" : "SIGUSR2");
    if (i % 2) await agent.ask();
    if (i === EVENTS / 2) memory = readUsage(agent.pid).memory;
  }
  agent.signal("SIGUSR1");
  await agent.answers("UP 42%\n");
  await until("saved", () => agent.file() === formatState(STATE));
  expect(readUsage(agent.pid).memory - memory).toBeLessThan(GROWTH_LIMIT);
  const { failed, failures, slowest } = await load.stop();
  expect({ failed, failures }).toEqual({ failed: 0, failures: [] });
  expect(slowest).toBeLessThan(1000);
}

function openDescriptor(path: string): Disposable & { descriptor: number } {
  const descriptor = openSync(path, "r+");
  return { descriptor, [Symbol.dispose]: () => closeSync(descriptor) };
}

/** A pipe whose reading end never blocks; `close` closes both ends here. */
class Pipe implements Disposable {
  readonly reader: number;
  readonly writer: number;
  readonly #open: number[];

  constructor() {
    using directory = temporaryDirectory();
    const path = `${directory.path}/pipe`;
    Bun.spawnSync(["mkfifo", path]);
    this.reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    this.writer = openSync(path, constants.O_WRONLY);
    this.#open = [this.reader, this.writer];
  }

  /** Writes until it is full; the writing end that the agent is given still blocks. */
  fill(): this {
    const filler = openSync(
      `/proc/self/fd/${this.writer}`,
      constants.O_WRONLY | constants.O_NONBLOCK,
    );
    try {
      for (;;) writeSync(filler, "x".repeat(4096));
    } catch {
      // Full: EAGAIN.
    } finally {
      closeSync(filler);
    }
    return this;
  }

  close(): void {
    for (const end of this.#open.splice(0)) closeSync(end);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** What is in a pipe now. */
function drain(reader: number): string {
  const buffer = Buffer.alloc(2 ** 20);
  try {
    return buffer.toString("latin1", 0, readSync(reader, buffer));
  } catch {
    return "";
  }
}
