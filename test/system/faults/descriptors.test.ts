// With every descriptor held by clients that never close, new clients are answered within a
// second, no core spins, and the state is still read and saved.
import { expect, test } from "bun:test";
import { statSync } from "node:fs";
import { startAgent } from "../../../scripts/lib/agent.ts";
import { Load } from "../../../scripts/lib/load.ts";
import { cpuTime, readUsage } from "../../../scripts/lib/proc.ts";
import { until } from "../../../scripts/lib/until.ts";
import { TUNED } from "../../../src/agent/tuning.ts";
import { Client } from "../client.ts";
import { runClients, silent } from "./clients.ts";
import { warmUp } from "./memory.ts";
import { times } from "./scale.ts";

/** For so long a file that has changed counts as young, in milliseconds. */
const YOUNG_MS = 2000;

const CLIENTS = 200;
const SECONDS = times(5, 2);

test.each<[string, { HAPGENT_WATCH?: string }]>([
  ["32", {}],
  ["16", {}],
  ["12", {}],
  ["8", {}],
  ["32", { HAPGENT_WATCH: "on" }],
])(
  "with `ulimit -n %s` and 200 clients that never close, new ones are answered, no core spins (%j)",
  async (limit, on) => {
    const launcher = ["prlimit", `--nofile=${limit}:${limit}`];
    await using agent = await startAgent({
      state: { status: "UP" },
      launcher,
      env: { ...TUNED, ...on },
    });
    await warmUp(agent, 4);
    // Until then a watched file is read for each check, which costs more than the look at it.
    const isOld = () => Date.now() - statSync(agent.stateFile).ctimeMs > YOUNG_MS;
    if (on.HAPGENT_WATCH) await until("the file is no longer young", isOld);
    const before = readUsage(agent.pid);

    const clients = runClients(agent.port, [silent], CLIENTS * SECONDS, CLIENTS);
    using load = new Load(agent.port, { connections: 2, pause: 50 });
    const cpu = cpuTime(agent.pid);
    const start = performance.now();
    await clients;
    const share = (cpuTime(agent.pid) - cpu) / (performance.now() - start);
    const { checks, failed, failures, slowest } = await load.stop();
    console.log(
      `ulimit -n ${limit}: ${checks} checks, slowest ${slowest.toFixed()} ms, ` +
        `${(share * 100).toFixed(1)}% of a core`,
    );
    expect({ failed, failures }).toEqual({ failed: 0, failures: [] });
    expect(slowest).toBeLessThan(1000);
    expect(share).toBeLessThan(0.05);

    await until("recovered", () => readUsage(agent.pid).descriptors === before.descriptors);
    // One descriptor is left: a check and a save exclude one another.
    if (limit === "8") return;
    agent.signal("SIGUSR2");
    await agent.answers("DOWN\n");
    await until("saved", () => agent.file().includes("DOWN"));
  },
);

test("with `ulimit -n 32` and all clients held, the state is read and saved", async () => {
  const launcher = ["prlimit", "--nofile=32:32"];
  await using agent = await startAgent({ state: { status: "UP" }, launcher, env: TUNED });
  const clients = runClients(agent.port, [silent], CLIENTS, CLIENTS);
  agent.signal("SIGUSR2");
  await agent.answers("DOWN\n");
  await until("saved", () => agent.file().includes("DOWN"));
  agent.signal("SIGHUP");
  await agent.logs(/state cause=SIGHUP old=DOWN new=DOWN/);
  await clients;
});

test.each([
  ["32", 10],
  ["16", 2],
])(
  "with `ulimit -n %s` and as many clients of the control socket as may be, checks are answered",
  async (limit, most) => {
    const launcher = ["prlimit", `--nofile=${limit}:${limit}`];
    const state = { status: "UP" };
    await using agent = await startAgent({ state, socket: true, launcher, env: TUNED });
    using clients = new DisposableStack();
    for (let i = 0; i < most; i += 1) {
      const client = clients.use(await Client.connect(agent.socket));
      client.send("wait 60\n");
    }
    // Until the agent knows what it has, it takes more.
    await until("one more is refused", async () => {
      const { stdout } = Bun.spawn(["socat", "-u", `UNIX-CONNECT:${agent.socket}`, "-"]);
      return (await stdout.text()) === `error: more than ${most} clients\n`;
    });

    const cpu = cpuTime(agent.pid);
    const start = performance.now();
    const held = runClients(agent.port, [silent], 60, 60);
    using load = new Load(agent.port, { connections: 2, pause: 50 });
    await held;
    const share = (cpuTime(agent.pid) - cpu) / (performance.now() - start);
    const { failed, failures, slowest } = await load.stop();
    expect({ failed, failures }).toEqual({ failed: 0, failures: [] });
    expect(slowest).toBeLessThan(1000);
    expect(share).toBeLessThan(0.1);
  },
);
