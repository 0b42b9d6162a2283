// Hostile clients cost honest ones nothing but time, leave no memory behind, and never hold more
// connections than may wait for their client.
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { startAgent } from "../../scripts/lib/agent.ts";
import { Load } from "../../scripts/lib/load.ts";
import { countSockets, readUsage } from "../../scripts/lib/proc.ts";
import { output } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { runClients, silent } from "./clients.ts";
import { GROWTH_LIMIT, settle, warmUp } from "./memory.ts";
import { times } from "./scale.ts";

const CLIENTS = times(20_000, 600);
/** Clients before memory is read for the first time. */
const WARM_UP = 400;
const FLOOD_SECONDS = times(10, 2);

/** The most connections that may wait for their client. */
const WAITING_LIMIT = 256;

/** What honest checks send: every sample has an agent-send. */
const NAMED = ["web\n"];

const SERVICES = temporaryDirectory();
writeFileSync(`${SERVICES.path}/web.json`, '{"status":"UP","weight":42}');

const BY_NAME = { HAPGENT_SERVICES: SERVICES.path, HAPGENT_REPLY: "exact" };

/** The settings that do more for each check: read a name, look at the file, remember who asks. */
const ALL_ON = { ...BY_NAME, HAPGENT_WATCH: "on", HAPGENT_STOP_STATUS: "DRAIN" };

test.each([
  ["by default", {}, GROWTH_LIMIT],
  ["with services", BY_NAME, 2 * GROWTH_LIMIT],
  ["with all that is optional", ALL_ON, 2 * GROWTH_LIMIT],
])(
  "clients that reset, hang, flood, drip, half-close: honest polls are answered, %s",
  async (name, on, limit) => {
    const env = { ...TUNED, ...on };
    const state = { status: "UP", weight: 42 };
    await using agent = await startAgent({ state, socket: on === ALL_ON, env });
    await warmUp(agent);
    const idle = readUsage(agent.pid);
    // The runtime reads into a buffer of 512 KiB, of which it keeps what a client ever filled; and
    // its tables keep the size that they once had.
    await hostile(agent.port, "mixed", WARM_UP);
    const before = await settle(agent, idle, Number.POSITIVE_INFINITY);

    using load = new Load(agent.port, { connections: 4, pause: 5, payloads: NAMED });
    await hostile(agent.port, "mixed", CLIENTS);
    const { checks, failed, failures, slowest } = await load.stop();

    const after = await settle(agent, before, limit);
    console.log(
      `${CLIENTS} hostile clients ${name}: ${checks} checks, slowest ${slowest.toFixed()} ms, ` +
        `RssAnon ${before.memory} -> ${after.memory} kB`,
    );
    expect({ failed, failures }).toEqual({ failed: 0, failures: [] });
    expect(checks).toBeGreaterThan(100);
    expect(after.memory - before.memory).toBeLessThan(limit);
    expect(after.threads).toBe(before.threads);

    // Its count of connections is right: it still lets as many wait as at first, and no more.
    const others = countSockets(agent.pid);
    let held = 0;
    const clients = runClients(agent.port, [silent], 2 * WAITING_LIMIT, 2 * WAITING_LIMIT);
    await until("room is made", () => {
      held = Math.max(held, countSockets(agent.pid) - others);
      return held >= WAITING_LIMIT && countSockets(agent.pid) - others <= WAITING_LIMIT;
    });
    await clients;
  },
);

test.each([
  ["silent", "by default", {}],
  ["silent", "with services", BY_NAME],
  ["silent", "with all that is optional", ALL_ON],
  ["named and half-closed", "by default", {}],
  ["named and half-closed", "with services", BY_NAME],
  ["named and half-closed", "with all that is optional", ALL_ON],
])("a flood of clients, %s: no honest check is reset, %s", async (kind, name, on) => {
  const state = { status: "UP", weight: 42 };
  const env = { ...TUNED, ...on };
  await using agent = await startAgent({ state, socket: on === ALL_ON, env });
  const reply = /^UP 42%\n$/;
  using load = new Load(agent.port, { connections: 4, pause: 5, payloads: NAMED, reply });
  const made = await hostile(agent.port, kind, FLOOD_SECONDS);
  const { checks, failed, failures, slowest } = await load.stop();
  console.log(
    `${made} clients in ${FLOOD_SECONDS} s, ${kind}, ${name}: ${checks} honest checks, ` +
      `slowest ${slowest.toFixed()} ms`,
  );
  expect({ failed, failures }).toEqual({ failed: 0, failures: [] });
  expect(checks).toBeGreaterThan(0);
  expect(Number(made)).toBeGreaterThan(2 * WAITING_LIMIT);
});

test("1,600 open files are enough: with all clients held, a state is read and saved", async () => {
  const launcher = ["prlimit", "--nofile=1600:1600"];
  await using agent = await startAgent({ state: { status: "UP" }, launcher, env: TUNED });
  using load = new Load(agent.port, { connections: 2, pause: 5 });
  const clients = runClients(agent.port, [silent], 4000, 2000);
  agent.signal("SIGUSR2");
  await agent.answers("DOWN\n");
  await until("saved", () => agent.file().includes("DOWN"));
  agent.signal("SIGHUP");
  await agent.logs(/state cause=SIGHUP old=DOWN new=DOWN/);
  await clients;
  const { failed, failures } = await load.stop();
  expect({ failed, failures }).toEqual({ failed: 0, failures: [] });
});

/** Lets another process be hostile: so many clients, or for so many seconds; tells how many. */
async function hostile(port: number, kind: string, amount: number): Promise<string> {
  const fixture = `${import.meta.dir}/hostile-fixture.ts`;
  return await output(["bun", fixture, String(port), kind, String(amount)], { limit: 170 });
}
