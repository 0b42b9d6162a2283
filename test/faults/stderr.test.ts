// Nothing that happens to stderr stops the agent, makes it spin or fills its memory, and it says later
// how many lines were dropped. What is kept and counted is test/log.test.ts.
import { expect, test } from "bun:test";
import { closeSync, constants, existsSync, openSync, readFileSync } from "node:fs";
import { type AgentProcess, startAgent } from "../../scripts/lib/agent.ts";
import { Load } from "../../scripts/lib/load.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { formatState } from "../../src/state/state.ts";
import { calm } from "./calm.ts";
import { HangingDisk } from "./hanging.ts";
import { inShell } from "./launchers.ts";
import { holdsNoMore } from "./memory.ts";
import { times } from "./scale.ts";

const EVENTS = times(400, 100);
const STATE = { status: "UP", weight: 42 } as const;

/** What an agent may be given for stderr; the stack takes it down. */
const KINDS: Record<string, (stack: AsyncDisposableStack) => Promise<AgentProcess>> = {
  "closed, and all else too: nothing is logged to a socket": (stack) =>
    startWith(openFile(stack), inShell("exec <&- >&- 2>&-")),
  "/dev/full": (stack) => startWith(openFile(stack, "/dev/full")),
  async "a full pipe whose reader goes away"(stack) {
    const path = `${stack.use(temporaryDirectory()).path}/pipe`;
    Bun.spawnSync(["mkfifo", path]);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const writer = openFile(stack, path, constants.O_WRONLY);
    // Until it is full.
    Bun.spawnSync(["dd", "if=/dev/zero", `of=${path}`, "bs=4096", "oflag=nonblock"]);
    const agent = await startWith(writer);
    closeSync(reader);
    return agent;
  },
  async "a terminal that is gone: its window was closed"(stack) {
    const path = `${stack.use(temporaryDirectory()).path}/tty`;
    const socat = Bun.spawn(["socat", "-u", `PTY,link=${path},rawer`, "OPEN:/dev/null"]);
    await until("a terminal", () => existsSync(path));
    // It must not become the terminal of the tests: that they would be told of its end.
    const agent = await startWith(openFile(stack, path, constants.O_RDWR | constants.O_NOCTTY));
    socat.kill("SIGKILL");
    await socat.exited;
    return agent;
  },
};

test.each(Object.entries(KINDS))("stderr %s: the agent works on, and sleeps", async (_, make) => {
  await using stack = new AsyncDisposableStack();
  await using agent = await make(stack);
  await worksOn(agent);
  await calm(agent.pid);
  expect(await agent.stop()).toBe(0);
});

test("stderr on a disk that hangs: the agent works on, and says later what it dropped", async () => {
  await using stack = new AsyncDisposableStack();
  const disk = stack.use(await HangingDisk.mount());
  const text = () => readFileSync(`${disk.source}/log`, "utf8");
  await using agent = await startWith(openFile(stack, `${disk.path}/log`, "a"));
  await disk.hang();
  await worksOn(agent);
  disk.answer();
  await until("dropped lines are told", () => {
    agent.signal("SIGHUP");
    return /hapgent: lines dropped=\d+/.test(text());
  });
  await calm(agent.pid);
  expect(await agent.stop()).toBe(0);
  expect(text()).toMatch(/hapgent: stopping cause=SIGTERM\n$/);
});

function startWith(stderr: number, launcher: string[] = []): Promise<AgentProcess> {
  return startAgent({ state: STATE, launcher, stderr });
}

/** Events that all log, beside checks: all answered, the last one saved, and no memory kept. */
async function worksOn(agent: AgentProcess): Promise<void> {
  await holdsNoMore(agent, async () => {
    using load = new Load(agent.port, { connections: 2, pause: 1 });
    for (let i = 0; i < EVENTS; i += 1) {
      agent.signal(i % 2 ? "SIGHUP" : "SIGUSR2");
      if (i % 2) await agent.ask();
    }
    expect(await load.stop()).toMatchObject({ failed: 0, failures: [] });
  });
  agent.signal("SIGUSR1");
  await agent.answers("UP 42%\n");
  await until("saved", () => agent.file() === formatState(STATE));
}

function openFile(stack: AsyncDisposableStack, path = "/dev/null", flags: string | number = "r+") {
  const descriptor = openSync(path, flags);
  stack.defer(() => closeSync(descriptor));
  return descriptor;
}
