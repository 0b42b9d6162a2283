import { expect, test } from "bun:test";
import { TUNED } from "../../../src/runtime.ts";
import { startAgent, until } from "../harness.ts";
import { Load } from "../load.ts";
import { countSockets, readUsage } from "../proc.ts";
import { dripping, flooding, halfClosing, resetting, runClients, silent } from "./clients.ts";
import { GROWTH_LIMIT, settle, warmUp } from "./memory.ts";
import { times } from "./scale.ts";

const CLIENTS = times(20_000, 1000);
const AT_ONCE = 400;

/** Connections that the agent lets linger. */
const LINGER_CAP = 256;

/** With the settings that do more for each check: look at the file, remember who asks. */
const ALL_ON = { HAPGENT_WATCH: "on", HAPGENT_STOP_STATUS: "DRAIN" };

test.each([
  ["by default", {}],
  ["with all that is optional", ALL_ON],
])(
  "clients that reset, hang, flood, drip, half-close: honest polls are answered, %s",
  async (_, on) => {
    const env = { ...TUNED, ...on };
    await using agent = await startAgent({ state: { status: "UP", weight: 42 }, env });
    await warmUp(agent);
    const { descriptors } = readUsage(agent.pid);
    const allGone = () =>
      until("clients gone", () => readUsage(agent.pid).descriptors === descriptors);
    // The runtime reads into a buffer of 512 KiB, of which it keeps what a client ever filled.
    await runClients(agent.port, [flooding], 10, 10);
    await allGone();
    const before = readUsage(agent.pid);

    using load = new Load(agent.port, { connections: 4, pause: 5 });
    const kinds = [resetting, silent, flooding, dripping, halfClosing];
    await runClients(agent.port, kinds, CLIENTS, AT_ONCE);
    const { checks, failed, failures, slowest } = await load.stop();

    const under = readUsage(agent.pid);
    const after = await settle(agent, before);
    console.log(`${CLIENTS} clients, ${checks} checks, slowest ${slowest.toFixed()} ms`, {
      before,
      under,
      after,
    });
    expect({ failed, failures }).toEqual({ failed: 0, failures: [] });
    expect(checks).toBeGreaterThan(100);
    expect(after.memory - before.memory).toBeLessThan(GROWTH_LIMIT);
    expect(after.threads).toBe(before.threads);

    // Its count of lingering connections is right: it still lets as many linger as at first, and no more.
    const others = countSockets(agent.pid);
    let held = 0;
    const clients = runClients(agent.port, [silent], 2 * LINGER_CAP, 2 * LINGER_CAP);
    while (await isPending(clients)) held = Math.max(held, countSockets(agent.pid) - others);
    expect(held).toBe(LINGER_CAP);
  },
);

/** Waits a moment, and tells whether the promise is still unresolved. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  return await Promise.race([promise.then(() => false), Bun.sleep(10).then(() => true)]);
}
