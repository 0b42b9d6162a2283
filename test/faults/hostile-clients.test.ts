// Hostile clients cost honest ones nothing, leave no memory behind, and never hold more
// connections than may linger.
import { expect, test } from "bun:test";
import { startAgent } from "../../scripts/lib/agent.ts";
import { Load } from "../../scripts/lib/load.ts";
import { countSockets, readUsage } from "../../scripts/lib/proc.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { dripping, flooding, halfClosing, resetting, runClients, silent } from "./clients.ts";
import { GROWTH_LIMIT, settle, warmUp } from "./memory.ts";
import { times } from "./scale.ts";

const CLIENTS = times(20_000, 600);
const AT_ONCE = 400;

/** Connections that the agent lets linger. */
const LINGER_CAP = 256;

/** With the settings that do more for each check: look at the file, remember who asks. */
const ALL_ON = { HAPGENT_WATCH: "on", HAPGENT_STOP_STATUS: "DRAIN" };

test.each([
  ["by default", {}, GROWTH_LIMIT],
  // Its tables of clients and of looks that are under way keep the size that they once had.
  ["with all that is optional", ALL_ON, 2 * GROWTH_LIMIT],
])(
  "clients that reset, hang, flood, drip, half-close: honest polls are answered, %s",
  async (name, on, limit) => {
    const env = { ...TUNED, ...on };
    await using agent = await startAgent({ state: { status: "UP", weight: 42 }, env });
    await warmUp(agent);
    const idle = readUsage(agent.pid);
    // The runtime reads into a buffer of 512 KiB, of which it keeps what a client ever filled.
    await runClients(agent.port, [flooding], 10, 10);
    const before = await settle(agent, idle, Number.POSITIVE_INFINITY);

    using load = new Load(agent.port, { connections: 4, pause: 5 });
    const kinds = [resetting, silent, flooding, dripping, halfClosing];
    await runClients(agent.port, kinds, CLIENTS, AT_ONCE);
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

    // Its count of lingering connections is right: it still lets as many linger as at first, and no
    // more.
    const others = countSockets(agent.pid);
    let held = 0;
    const clients = runClients(agent.port, [silent], 2 * LINGER_CAP, 2 * LINGER_CAP);
    while (await isPending(clients)) held = Math.max(held, countSockets(agent.pid) - others);
    // One that is about to be closed may be seen too.
    expect(held).toBeWithin(LINGER_CAP, LINGER_CAP + 16);
  },
);

/** Waits a moment, and tells whether the promise is still unresolved. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  return await Promise.race([promise.then(() => false), Bun.sleep(10).then(() => true)]);
}
