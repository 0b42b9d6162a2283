// Hostile clients cost honest ones nothing but time, and leave nothing behind: no memory, and no
// connection that would count as one that waits.
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { type AgentOptions, startAgent } from "../../scripts/lib/agent.ts";
import { Load } from "../../scripts/lib/load.ts";
import { output } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { WAITING_LIMIT } from "../../src/agent/crowd.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { countSockets } from "../proc.ts";
import { connect, type Kind } from "./clients.ts";
import { holdsNoMore } from "./memory.ts";
import { times } from "./scale.ts";

const STATE = { status: "UP", weight: 42 } as const;

const SERVICES = temporaryDirectory();
writeFileSync(`${SERVICES.path}/web.json`, JSON.stringify(STATE));

/** The settings that do more for each check: read a name, look at the file, remember who asks. */
const ALL_ON = {
  ...{ HAPGENT_SERVICES: SERVICES.path, HAPGENT_REPLY: "exact" },
  ...{ HAPGENT_WATCH: "on", HAPGENT_STOP_STATUS: "DRAIN" },
};

const AGENTS: [string, AgentOptions][] = [
  ["by default", { state: STATE, env: TUNED }],
  ["with all that is optional", { state: STATE, env: { ...TUNED, ...ALL_ON }, socket: true }],
];

/** Honest checks beside: every sample has an agent-send. */
const HONEST = { connections: 4, pause: 5, payloads: ["web\n"], reply: /^UP 42%\n$/ };
const NONE_FAILED = { failed: 0, failures: [] };

test.each(AGENTS)(
  "clients that reset, hang, flood, drip, half-close: honest checks are answered, %s",
  async (_, options) => {
    await using agent = await startAgent(options);
    const clients = `${import.meta.dir}/clients.ts`;
    await holdsNoMore(agent, async () => {
      using load = new Load(agent.port, HONEST);
      const count = String(times(2000, 400));
      await output(["bun", clients, String(agent.port), count], { limit: 60 });
      expect(await load.stop()).toMatchObject(NONE_FAILED);
    });
  },
);

/**
 * Clients that are begun at once. A flood is one round after another, each begun when all of the last
 * have their answer: what would be more than the kernel lets wait for the agent (512) it resets itself.
 */
const AT_ONCE = WAITING_LIMIT + 100;
const KINDS: Kind[] = ["silent", "named"];

test.each(AGENTS.flatMap(([name, on]) => KINDS.map((kind) => [kind, name, on] as const)))(
  "a flood of clients, %s: the oldest give way, no honest check is reset, %s",
  async (kind, _, options) => {
    await using agent = await startAgent(options);
    const others = countSockets(agent.pid);
    using load = new Load(agent.port, HONEST);
    for (let round = 0; round < times(100, 10); round += 1) {
      const begun = Array.from({ length: AT_ONCE }, () => connect(agent.port, kind));
      const clients = await Promise.all(begun);
      await Promise.all(clients.map(({ answered }) => answered));
      if (kind === "silent") {
        const held = () => countSockets(agent.pid) - others - HONEST.connections;
        await until("room is made", () => held() <= WAITING_LIMIT);
      }
      for (const client of clients) client.end();
    }
    expect(await load.stop()).toMatchObject(NONE_FAILED);
    expect(load.checks).toBeGreaterThan(0);
  },
);

test("1,600 open files are enough: with all clients held, a state is read and saved", async () => {
  const launcher = ["prlimit", "--nofile=1600:1600"];
  await using agent = await startAgent({ state: { status: "UP" }, launcher, env: TUNED });
  const clients = Promise.all(Array.from({ length: 2000 }, () => connect(agent.port, "silent")));
  agent.signal("SIGUSR2");
  await agent.answers("DOWN\n");
  await until("saved", () => agent.file().includes("DOWN"));
  agent.signal("SIGHUP");
  await agent.logs(/state cause=SIGHUP old=DOWN new=DOWN/);
  for (const client of await clients) client.end();
});
