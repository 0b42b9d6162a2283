// What deploy/haproxy/README.md says of HAProxy under troubleshooting.
import { describe, expect, test } from "bun:test";
import { startAgent } from "../../scripts/lib/agent.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { writeServices } from "../contract/driver.ts";
import { proxy, startHaproxy } from "../haproxy.ts";
import { listPollers } from "./client.ts";

describe.concurrent("what HAProxy makes of an agent's word", () => {
  test("a server that tracks another follows its status, but neither weight nor maxconn", async () => {
    const env = { HAPGENT_REPLY: "full" };
    await using agent = await startAgent({ state: { status: "UP" }, env });
    await using haproxy = await startHaproxy(
      `${proxy(agent.port)}  server t unix@service.sock weight 100 maxconn 500 track be/s\n`,
    );
    for (const [status, word] of Object.entries({ DOWN: "DOWN (agent)", DRAIN: "DRAIN (agent)" })) {
      agent.change({ status: status as "DOWN" | "DRAIN", weight: 50, maxconn: 100 });
      await haproxy.shows({ status: word, uweight: 50, slim: 100 });
      await haproxy.shows({ status: word, uweight: 100, slim: 500 }, "be/t");
    }
  });

  test("maxconn 0 is no limit", async () => {
    await using agent = await startAgent({ state: { status: "UP", maxconn: 0 } });
    await using haproxy = await startHaproxy(proxy(agent.port));
    await haproxy.shows({ status: "UP", slim: Infinity });
  });

  test("50% of `weight 1` is 0: no request comes any more", async () => {
    await using agent = await startAgent({ state: { status: "UP" } });
    await using haproxy = await startHaproxy(proxy(agent.port, "weight 1"));
    await haproxy.shows({ status: "UP", uweight: 1 });
    expect((await haproxy.get()).status).toBe(200);
    agent.change({ status: "UP", weight: 50 });
    await haproxy.shows({ status: "UP", uweight: 0 });
    expect((await haproxy.get()).status).toBe(503);
  });

  test("DOWN without `(agent)` while the agent says UP is the service's health check", async () => {
    await using agent = await startAgent({ state: { status: "UP" } });
    const failing = "option httpchk\n  http-check expect status 204";
    await using haproxy = await startHaproxy(`${proxy(agent.port)}\n  ${failing}\n`);
    await haproxy.shows({ status: "DOWN", agent_status: "L7OK", agent_health: 1 });
  });

  test("`no check` is the status of a server that is up and has no health check", async () => {
    await using agent = await startAgent({ state: { status: "UP" } });
    await using haproxy = await startHaproxy(proxy(agent.port, "no-check"));
    await haproxy.shows({ status: "no check", agent_status: "L7OK" });
    agent.signal("SIGUSR2");
    await haproxy.shows({ status: "DOWN (agent)" });
  });

  test.each([
    ["UP", "UP"],
    ["DOWN", "DOWN (agent)"],
  ])("an agent that refuses connections leaves the server as it was: %s", async (word, status) => {
    await using agent = await startAgent({ state: { status: word } });
    await using haproxy = await startHaproxy(proxy(agent.port));
    await haproxy.shows({ status, last_agt: `via agent : ${word}` });
    await agent.stop("SIGKILL");
    // HAProxy 3.4 puts words around it.
    await until("it says so", async () => {
      return (await haproxy.server()).last_agt.includes("Connection refused");
    });
    await haproxy.shows({ status, agent_status: "L4CON" });
    // A check that was under way when the agent was killed may have failed otherwise before.
    expect(haproxy.failedChecks().at(-1)).toContain("reason: Layer4");
  });

  test("an operator's drain stays with UP, and is undone by READY", async () => {
    await using agent = await startAgent({ state: { status: "UP" } });
    await using haproxy = await startHaproxy(proxy(agent.port));
    await haproxy.shows({ status: "UP", agent_status: "L7OK" });
    await haproxy.command("set server be/s state drain");
    agent.change({ status: "UP", reason: "still" });
    await haproxy.shows({ srv_admin_state: 8, last_agt: "via agent : UP (still)" });
    agent.change({ status: "READY" });
    await haproxy.shows({ srv_admin_state: 0 });
  });

  test("`agent-send 'web\\n'` in single quotes asks for no service, and the log says so", async () => {
    using services = temporaryDirectory();
    writeServices(services.path, { web: '{"status":"UP"}' });
    const env = { ...TUNED, HAPGENT_SERVICES: services.path };
    await using agent = await startAgent({ state: { status: "UP" }, socket: true, env });
    await using haproxy = await startHaproxy(proxy(agent.port, "agent-send 'web\\n'"));
    await haproxy.shows({ status: "DOWN (agent)", last_agt: "via agent : FAIL (no such service)" });
    await agent.logs(
      /a check asks for no service address=127\.0\.0\.1 sent="web\\\\n" hint="no newline: HAProxy keeps/,
    );
    expect(await listPollers(agent)).toMatchObject([{ address: "127.0.0.1", sent: "web\\n" }]);
  });
});
