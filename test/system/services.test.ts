// A real HAProxy puts a backend where its service, after the host, says: in rotation, draining, where
// a session that sticks by its cookie goes on, or out.
import { expect, test } from "bun:test";
import { type AgentProcess, startAgent } from "../../scripts/lib/agent.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import type { Status } from "../../src/state/state.ts";
import { writeServices } from "../contract/driver.ts";
import { startHaproxy } from "../haproxy.ts";
import { startService } from "./traffic.ts";

/** A host, a service on it, what HAProxy shows, and who answers a session that sticks to it. */
const PAIRS: [Status, Status, string, "s" | "other"][] = [
  ["UP", "UP", "UP", "s"],
  ["DRAIN", "UP", "DRAIN (agent)", "s"],
  ["DRAIN", "DOWN", "DOWN (agent)", "other"],
  ["UP", "DRAIN", "DRAIN (agent)", "s"],
  ["DOWN", "DRAIN", "DOWN (agent)", "other"],
  ["MAINT", "UP", "MAINT", "other"],
  ["READY", "READY", "UP", "s"],
  ["UP", "MAINT", "MAINT", "other"],
  ["MAINT", "DOWN", "MAINT", "other"],
  ["DRAIN", "DRAIN", "DRAIN (agent)", "s"],
  ["DRAIN", "STOPPED", "DOWN (agent)", "other"],
  ["STOPPED", "MAINT", "MAINT", "other"],
  ["DOWN", "UP", "DOWN (agent)", "other"],
];

test("a session that sticks goes where host and service together allow it, in any order", async () => {
  using services = temporaryDirectory();
  writeServices(services.path, { web: '{"status":"UP"}' });
  await using agent = await startAgent({
    state: { status: "UP" },
    env: { ...TUNED, HAPGENT_SERVICES: services.path },
    socket: true,
  });
  await using service = startService("s");
  await using other = startService("other");
  await using haproxy = await startHaproxy(`
listen be
  bind unix@front.sock
  cookie c insert indirect
  option redispatch
  server s 127.0.0.1:${service.port} cookie s check inter 200ms agent-check agent-inter 10ms \
    agent-addr 127.0.0.1 agent-port ${agent.port} agent-send "web\\n"
  server other 127.0.0.1:${other.port} cookie other
`);
  for (const [host, own, status, answers] of [...PAIRS, ...PAIRS.toReversed()]) {
    await set(agent, `set status ${host}`);
    await set(agent, `@web set status ${own}`);
    await haproxy.shows({ status });
    await until(`${host}, ${own}: ${answers} answers`, async () => {
      return (await (await haproxy.get({ cookie: "c=s" })).text()) === answers;
    });
  }
});

async function set(agent: AgentProcess, line: string): Promise<void> {
  expect((await agent.ctl(line)).stderr).toBe("");
}
