// Every sample in deploy/haproxy is valid, and does with a real HAProxy what its comments say.
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startAgent } from "../../scripts/lib/agent.ts";
import { outcome, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { writeServices } from "../contract/driver.ts";
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

  test("haproxy.cfg: requests come while the agent says UP, and no more once it says DOWN", async () => {
    await using agent = await startAgent({ state: { status: "UP", weight: 75 } });
    await using haproxy = await startSample("haproxy.cfg", agent.port);
    for (const [signal, status, code] of [
      ["SIGUSR2", "DOWN (agent)", 503],
      ["SIGUSR1", "UP", 200],
    ] as const) {
      agent.signal(signal);
      await haproxy.shows({ status, uweight: 75 }, "web/web1");
      expect((await haproxy.get()).status).toBe(code);
    }
  });

  test("services.cfg: one signal takes every service of the machine out, and back", async () => {
    using services = temporaryDirectory();
    const states = { web: '{"status":"UP"}', api: '{"status":"DRAIN","weight":50}' };
    writeServices(services.path, states);
    const env = { HAPGENT_SERVICES: services.path };
    await using agent = await startAgent({ state: { status: "UP" }, env });
    await using haproxy = await startSample("services.cfg", agent.port);
    for (const [signal, web, api] of [
      ["SIGUSR2", "DOWN (agent)", "DOWN (agent)"],
      ["SIGUSR1", "UP", "DRAIN (agent)"],
    ] as const) {
      agent.signal(signal);
      await haproxy.shows({ status: web, uweight: 100 }, "web/host1");
      await haproxy.shows({ status: api }, "api/host1");
    }
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
    ["shutdown-sessions.cfg", "database/primary", "DOWN", "cut"],
    ["shutdown-sessions.cfg", "database/primary", "DRAIN", "first, last"],
    ["haproxy.cfg", "web/web1", "DOWN", "first, last"],
  ] as const)("%s: what %s has under way at %s is %j", async (name, server, status, text) => {
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
    agent.change({ status });
    await haproxy.shows({ status: `${status} (agent)` }, server);
    isOut.resolve();
    expect(await response.text().catch(() => "cut")).toBe(text);
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
