// A real HAProxy puts a server where its service, after the host, says: in rotation, draining, where a
// session that sticks by its cookie goes on, or out. What host and service say together is pure: see
// test/state/reply.test.ts.
import { expect, test } from "bun:test";
import { startAgent } from "../../scripts/lib/agent.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { writeServices } from "../contract/driver.ts";
import { startHaproxy } from "../haproxy.ts";
import { tell } from "./client.ts";
import { startService } from "./traffic.ts";

/** A host, a service on it, what HAProxy shows, and who answers a session that sticks to it. */
const PAIRS = [
  ["UP", "UP", "UP", "s"],
  ["DRAIN", "UP", "DRAIN (agent)", "s"],
  ["UP", "DRAIN", "DRAIN (agent)", "s"],
  ["DRAIN", "DOWN", "DOWN (agent)", "other"],
  ["MAINT", "UP", "MAINT", "other"],
  ["UP", "MAINT", "MAINT", "other"],
  ["DOWN", "UP", "DOWN (agent)", "other"],
] as const;

test("a session that sticks goes where host and service together allow it, in any order", async () => {
  using services = temporaryDirectory();
  writeServices(services.path, { web: '{"status":"UP"}' });
  const env = { ...TUNED, HAPGENT_SERVICES: services.path };
  await using agent = await startAgent({ state: { status: "UP" }, env, socket: true });
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
    expect(await tell(agent, `set status ${host}`)).toStartWith("ok ");
    expect(await tell(agent, `@web set status ${own}`)).toStartWith("ok ");
    await haproxy.shows({ status });
    await until(`${host}, ${own}: ${answers} answers`, async () => {
      return (await (await haproxy.get({ cookie: "c=s" })).text()) === answers;
    });
  }
});
