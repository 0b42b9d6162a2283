// Nothing that happens to stderr stops the agent or makes it spin.
import { expect, test } from "bun:test";
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  writeSync,
} from "node:fs";
import { type AgentProcess, startAgent } from "../../scripts/lib/agent.ts";
import { Disk } from "../../scripts/lib/disk.ts";
import { Load } from "../../scripts/lib/load.ts";
import { readUsage } from "../../scripts/lib/proc.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { formatState } from "../../src/state/state.ts";
import { isCalm } from "./calm.ts";
import { HangingDisk } from "./hanging.ts";
import { inMounts, inShell } from "./launchers.ts";
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
  expect(await isCalm(agent.pid)).toBe(true);
});

test("stderr a pipe whose reader goes away: answers on", async () => {
  using pipe = new Pipe();
  await using agent = await startAgent({ state: STATE, stderr: pipe.writer, env: TUNED });
  pipe.close();
  await worksOn(agent);
});

test.each([{}, { TERM: "xterm" }])(
  "stderr a terminal that is gone (its window was closed): answers on (%j)",
  async (on) => {
    using terminal = await Terminal.open();
    const env = { ...TUNED, ...on };
    await using agent = await startAgent({ state: STATE, stderr: terminal.descriptor, env });
    await terminal.hangUp();
    await worksOn(agent);
    expect(await agent.stop()).toBe(0);
  },
);

test("stderr a terminal that stands still: answers on, and logs on when it is read again", async () => {
  using terminal = await Terminal.open();
  const env = { ...TUNED, TERM: "xterm" };
  await using agent = await startAgent({ state: STATE, stderr: terminal.descriptor, env });
  await terminal.pause();
  await worksOn(agent);
  terminal.resume();
  await until("dropped lines are told", () => {
    agent.signal("SIGHUP");
    return /hapgent: lines dropped=\d+/.test(terminal.text());
  });
  expect(await agent.stop()).toBe(0);
  await until("the last line", () => /hapgent: stopping/.test(terminal.text()));
});

test("stderr a file on a frozen disk: answers on, saves elsewhere, and says later what was dropped", async () => {
  await using disk = await Disk.make();
  const path = `${disk.path}/log`;
  using log = openDescriptor(path, "a");
  await using agent = await startAgent({ state: STATE, stderr: log.descriptor, env: TUNED });
  {
    using _ = disk.freeze();
    await worksOn(agent);
  }
  await until("dropped lines are told", () => {
    agent.signal("SIGHUP");
    return /hapgent: lines dropped=\d+/.test(readFileSync(path, "utf8"));
  });
  expect(await agent.stop()).toBe(0);
  expect(readFileSync(path, "utf8")).toMatch(/hapgent: stopping cause=SIGTERM\n$/);
});

test("stderr a file on a disk that hangs: answers on, saves elsewhere, and says later what was dropped", async () => {
  await using disk = await HangingDisk.mount();
  using log = openDescriptor(`${disk.path}/log`, "a");
  await using agent = await startAgent({ state: STATE, stderr: log.descriptor, env: TUNED });
  disk.hang();
  await worksOn(agent);
  disk.answer();
  await until("dropped lines are told", () => {
    agent.signal("SIGHUP");
    return /hapgent: lines dropped=\d+/.test(readFileSync(`${disk.source}/log`, "utf8"));
  });
  expect(await agent.stop()).toBe(0);
});

/** Events that all log, beside polls: all answered, the last one saved, and no memory kept. */
async function worksOn(agent: AgentProcess): Promise<void> {
  using load = new Load(agent.port, { connections: 2, pause: 1 });
  // One after another, so that each has its line.
  for (let i = 0; i < 10; i += 1) {
    agent.signal("SIGUSR2");
    await agent.answers("DOWN 42%\n");
    agent.signal("SIGUSR1");
    await agent.answers("UP 42%\n");
  }
  await until("no memory is kept", async () => {
    const { memory } = readUsage(agent.pid);
    for (let i = 0; i < EVENTS; i += 1) {
      agent.signal(i % 2 ? "SIGHUP" : "SIGUSR2");
      if (i % 2) await agent.ask();
    }
    return readUsage(agent.pid).memory <= memory;
  });
  agent.signal("SIGUSR1");
  await agent.answers("UP 42%\n");
  await until("saved", () => agent.file() === formatState(STATE));
  const { failed, failures } = await load.stop();
  expect({ failed, failures }).toEqual({ failed: 0, failures: [] });
}

function openDescriptor(path: string, flags = "r+"): Disposable & { descriptor: number } {
  const descriptor = openSync(path, flags);
  return { descriptor, [Symbol.dispose]: () => closeSync(descriptor) };
}

/** A terminal whose other side is socat, which writes what it reads to a file. */
class Terminal implements Disposable {
  readonly descriptor: number;
  readonly #directory: Disposable & { path: string };
  readonly #socat: Bun.Subprocess;

  static async open(): Promise<Terminal> {
    const directory = temporaryDirectory();
    const { path } = directory;
    const socat = Bun.spawn(["socat", "-u", `PTY,link=${path}/tty,rawer`, `CREATE:${path}/text`]);
    await until("a terminal", () => existsSync(`${path}/text`) && existsSync(`${path}/tty`));
    return new Terminal(directory, socat);
  }

  private constructor(directory: Disposable & { path: string }, socat: Bun.Subprocess) {
    this.#directory = directory;
    this.#socat = socat;
    // It must not become the terminal of the tests: that they would be told of its end.
    this.descriptor = openSync(`${directory.path}/tty`, constants.O_RDWR | constants.O_NOCTTY);
  }

  /** What was written to it. */
  text(): string {
    return readFileSync(`${this.#directory.path}/text`, "latin1");
  }

  /** Stops its other side, and fills what lies between. */
  async pause(): Promise<void> {
    this.#socat.kill("SIGSTOP");
    // The kernel hands on in the background what it has taken.
    await until("full", () => fill(`${this.#directory.path}/tty`) === 0);
  }

  resume(): void {
    this.#socat.kill("SIGCONT");
  }

  /** Closes its other side. */
  async hangUp(): Promise<void> {
    this.#socat.kill("SIGKILL");
    await this.#socat.exited;
  }

  [Symbol.dispose](): void {
    this.#socat.kill("SIGKILL");
    closeSync(this.descriptor);
    this.#directory[Symbol.dispose]();
  }
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
    fill(`/proc/self/fd/${this.writer}`);
    return this;
  }

  close(): void {
    for (const end of this.#open.splice(0)) closeSync(end);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Writes to a pipe or terminal until it is full; returns how many bytes it took. */
function fill(path: string): number {
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
  const filler = openSync(path, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  let count = 0;
  try {
    for (;;) count += writeSync(filler, "x".repeat(4096));
  } catch {
    // Full: EAGAIN.
    return count;
  } finally {
    closeSync(filler);
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
