// A real HAProxy puts every backend where its service, after the host, says: in rotation, draining,
// where a session that sticks by its cookie goes on, or out.
import { describe, expect, test } from "bun:test";
import { type AgentProcess, startAgent } from "../../scripts/lib/agent.ts";
import { type HaproxyProcess, startHaproxy } from "../../scripts/lib/haproxy.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import type { Status } from "../../src/state/state.ts";
import { writeServices } from "../contract/driver.ts";
import { startService } from "./traffic.ts";

/** An agent with these services, in a directory of its own. */
async function startServing(files: Record<string, string>) {
  const services = temporaryDirectory();
  writeServices(services.path, files);
  return await startAgent({
    state: { status: "UP" },
    env: { ...TUNED, HAPGENT_SERVICES: services.path },
    socket: true,
  });
}

describe("HAProxy with three backends on one agent", () => {
  test("loses all at USR2, and at USR1 has each back in its own state, weight and maxconn", async () => {
    await using agent = await startServing({
      web: '{"status":"UP","weight":80}',
      api: '{"status":"DRAIN","weight":50,"maxconn":7}',
      db: '{"status":"READY"}',
    });
    const backends = ["web", "api", "db"].map(
      (name) => `
backend ${name}
  server s unix@service.sock weight 100 maxconn 500 check inter 1s agent-check agent-inter 20ms \
    agent-addr 127.0.0.1 agent-port ${agent.port} agent-send "${name}\\n"
`,
    );
    await using haproxy = await startHaproxy(backends.join(""));
    const own = async () => {
      await haproxy.shows({ status: "UP", uweight: 80 }, "web/s");
      await haproxy.shows({ status: "DRAIN (agent)", slim: 7 }, "api/s");
      await haproxy.shows({ status: "UP", uweight: 100 }, "db/s");
    };
    await own();
    agent.signal("SIGUSR2");
    for (const name of ["web/s", "api/s", "db/s"]) {
      await haproxy.shows({ status: "DOWN (agent)" }, name);
    }
    agent.signal("SIGUSR1");
    await own();
  });
});

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
  await using agent = await startServing({ web: '{"status":"UP"}' });
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
      return (await getWithCookie(haproxy)) === answers;
    });
  }
});

async function set(agent: AgentProcess, line: string): Promise<void> {
  expect((await agent.ctl(line)).stderr).toBe("");
}

/** Who answers a request of a session with `s`. */
async function getWithCookie(haproxy: HaproxyProcess): Promise<string> {
  const unix = `${haproxy.directory.path}/front.sock`;
  const signal = AbortSignal.timeout(10_000);
  const response = await fetch("http://service/", { unix, signal, headers: { cookie: "c=s" } });
  return await response.text();
}
