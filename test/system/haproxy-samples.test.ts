// Every sample in deploy/haproxy is valid, and does with a real HAProxy what its comments say.
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startAgent } from "../../scripts/lib/agent.ts";
import { outcome, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { HAPROXY_ENVIRONMENT, type HaproxyProcess, startHaproxy } from "../haproxy.ts";

const SAMPLES = `${ROOT}deploy/haproxy/`;

describe.concurrent("the samples of deploy/haproxy", () => {
  const names = readdirSync(SAMPLES).filter((name) => name.endsWith(".cfg"));
  test.each(names)("%s is valid", async (name) => {
    const command = ["haproxy", "-c", "-f", join(SAMPLES, name)];
    const { stderr, exitCode } = await outcome(command, { env: HAPROXY_ENVIRONMENT });
    // The file of the servers' state comes with the first reload.
    const problems = /\[(?:ALERT|WARNING)\](?!.*\/var\/lib\/haproxy\/server-state).*/.exec(stderr);
    expect({ exitCode, problems }).toEqual({ exitCode: 0, problems: null });
  });

  test("haproxy.cfg: DOWN with the first check after SIGUSR2, UP with that after SIGUSR1", async () => {
    const env = { ...TUNED, HAPGENT_POLLERS: "127.0.0.1" };
    await using agent = await startAgent({
      state: { status: "UP", weight: 75 },
      socket: true,
      env,
    });
    await using haproxy = await startSample("haproxy.cfg", agent.port);
    await haproxy.shows({ status: "UP", uweight: 75 }, "web/web1");
    expect((await haproxy.get()).status).toBe(200);
    const changes = [
      ["SIGUSR2", /old="UP 75%" new="DOWN/, "DOWN (agent)", 503],
      ["SIGUSR1", /old="DOWN 75%" new="UP/, "UP", 200],
    ] as const;
    for (const [signal, logged, status, code] of changes) {
      agent.signal(signal);
      await agent.logs(logged);
      // It is over once that check has been served.
      expect(await agent.ctl("wait", "60")).toMatchObject({ exitCode: 0 });
      expect(await haproxy.server("web/web1")).toMatchObject({ status, uweight: 75 });
      expect((await haproxy.get()).status).toBe(code);
    }
  });

  test("services.cfg: one signal takes every service of the machine out, and back", async () => {
    using services = temporaryDirectory();
    writeFileSync(join(services.path, "web.json"), '{"status":"UP"}');
    writeFileSync(join(services.path, "api.json"), '{"status":"DRAIN","weight":50}');
    const env = { HAPGENT_SERVICES: services.path };
    await using agent = await startAgent({ state: { status: "UP" }, env });
    await using haproxy = await startSample("services.cfg", agent.port);
    await haproxy.shows({ status: "UP", agent_status: "L7OK" }, "web/host1");
    await haproxy.shows({ status: "DRAIN (agent)", agent_status: "L7OK" }, "api/host1");
    agent.signal("SIGUSR2");
    await haproxy.shows({ status: "DOWN (agent)" }, "web/host1");
    await haproxy.shows({ status: "DOWN (agent)" }, "api/host1");
    agent.signal("SIGUSR1");
    await haproxy.shows({ status: "UP", uweight: 100 }, "web/host1");
    await haproxy.shows({ status: "DRAIN (agent)" }, "api/host1");
  });

  test.each([
    ["server-state.cfg", "DOWN", 50],
    ["haproxy.cfg", "UP", 100],
  ])(
    "%s: after a reload, until the agent answers, the server is %s",
    async (name, word, weight) => {
      await using agent = await startAgent({ state: { status: "DOWN", weight: 50 } });
      await using haproxy = await startSample(name, agent.port);
      await haproxy.shows({ status: "DOWN (agent)", uweight: 50 }, "web/web1");
      const states = await haproxy.command("show servers state");
      writeFileSync(join(haproxy.directory.path, "server-state"), states);
      await agent.stop("SIGKILL");
      await haproxy.reload();
      const { status, uweight } = await haproxy.server("web/web1");
      expect({ word: status.split(" ")[0], uweight }).toEqual({ word, uweight: weight });
    },
  );

  test.each([
    ["exact", "DRAIN (agent)"],
    ["full", "UP"],
  ])(
    "server-state.cfg: a state of before READY and UP, with HAPGENT_REPLY=%s, ends %s",
    async (...row) => {
      const [mode, status] = row;
      const env = { HAPGENT_REPLY: mode };
      await using agent = await startAgent({ state: { status: "DRAIN" }, env });
      await using haproxy = await startSample("server-state.cfg", agent.port);
      await haproxy.shows({ status: "DRAIN (agent)" }, "web/web1");
      const states = await haproxy.command("show servers state");
      agent.change({ status: "READY" });
      await haproxy.shows({ status: "UP" }, "web/web1");
      agent.change({ status: "UP" });
      writeFileSync(join(haproxy.directory.path, "server-state"), states);
      await haproxy.reload();
      await haproxy.shows({ status, agent_status: "L7OK" }, "web/web1");
    },
  );

  test.each([
    ["shutdown-sessions.cfg", "database/primary", "DOWN", "DOWN (agent)", "cut"],
    ["shutdown-sessions.cfg", "database/primary", "MAINT", "MAINT", "cut"],
    ["shutdown-sessions.cfg", "database/primary", "DRAIN", "DRAIN (agent)", "completed"],
    ["haproxy.cfg", "web/web1", "DOWN", "DOWN (agent)", "completed"],
  ] as const)("%s: what %s has under way at %s (%s) is %s", async (...parameters) => {
    const [name, server, word, status, outcome] = parameters;
    const isOut = Promise.withResolvers<void>();
    using service = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      routes: { "/health": new Response("") },
      fetch: () =>
        new Response(async function* () {
          yield "first";
          await isOut.promise;
          yield ", last";
        }),
    });
    await using agent = await startAgent({ state: { status: "UP" } });
    await using haproxy = await startSample(name, agent.port, `127.0.0.1:${service.port}`);
    await haproxy.shows({ agent_status: "L7OK" }, server);
    const response = await haproxy.get();
    agent.change({ status: word });
    await haproxy.shows({ status }, server);
    isOut.resolve();
    const text = await response.text().catch(() => "cut");
    expect(text).toBe(outcome === "cut" ? "cut" : "first, last");
  });
});

/** Starts HAProxy with a sample, its paths and addresses replaced by ones of this test. */
function startSample(
  name: string,
  agentPort: number,
  service = "unix@service.sock",
): Promise<HaproxyProcess> {
  const text = readFileSync(join(SAMPLES, name), "utf8")
    .replaceAll("stats socket /run/haproxy/admin.sock mode 660", "stats socket unix@sample.sock")
    .replaceAll("/var/lib/haproxy/", "")
    .replace(/bind :\d+/, "bind unix@front.sock")
    .replaceAll(/127\.0\.0\.1:\d+/g, service)
    .replaceAll("agent-port 9777", `agent-port ${agentPort}`);
  return startHaproxy(text);
}
