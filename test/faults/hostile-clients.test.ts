// Hostile clients cost honest ones nothing but time, and leave nothing behind: no memory, and no
// connection that would count as one that waits.
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { type AgentOptions, startAgent } from "../../scripts/lib/agent.ts";
import { Load } from "../../scripts/lib/load.ts";
import { output } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { Connection } from "../contract/connection.ts";
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
  ["by default", { state: STATE }],
  ["with all that is optional", { state: STATE, env: ALL_ON, socket: true }],
];

/** Who comes at the same time: a flood beyond what may wait, of which the oldest give way. */
const KINDS: [string, string[]][] = [
  [
    "reset, hang, flood, drip, half-close",
    ["resetting", "silent", "flooding", "dripping", "halfClosing"],
  ],
  ["flood with names of services", ["named"]],
];

test.each(
  AGENTS.flatMap(([name, on]) => KINDS.map(([does, kinds]) => ({ does, name, kinds, on }))),
)("clients that $does: no honest check fails, $name", async ({ kinds, on }) => {
  await using agent = await startAgent(on);
  const clients = ["bun", `${import.meta.dir}/clients.ts`, String(agent.port)];
  // Every sample has an agent-send; who has not sent it after a turn of 10 ms may have to give way.
  const honest = { connections: 4, pause: 5, payloads: ["web\n"], reply: /^UP 42%\n$/, slow: 10 };
  await holdsNoMore(agent, async () => {
    using load = new Load(agent.port, honest);
    await output([...clients, String(times(2000, 400)), ...kinds], { limit: 600 });
    expect(await load.stop()).toMatchObject({ failed: 0, failures: [] });
  });
});

test("1,600 open files are enough: with all clients held, a state is read and saved", async () => {
  const launcher = ["prlimit", "--nofile=1600:1600"];
  await using agent = await startAgent({ state: { status: "UP" }, launcher });
  const open = () => Connection.open({ host: "127.0.0.1", port: agent.port }).catch(() => {});
  const clients = Promise.all(Array.from({ length: 2000 }, open));
  agent.signal("SIGUSR2");
  await agent.answers("DOWN\n");
  await until("saved", () => agent.file().includes("DOWN"));
  agent.signal("SIGHUP");
  await agent.logs(/state cause=SIGHUP old=DOWN new=DOWN/);
  for (const client of await clients) client?.[Symbol.dispose]();
});
