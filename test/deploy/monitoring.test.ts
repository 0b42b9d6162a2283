// The alerts fire when they must, on metrics that a real HAProxy has; the firewall example is valid.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { type HaproxyProcess, proxy, startHaproxy } from "../../scripts/lib/haproxy.ts";
import { freePort } from "../../scripts/lib/port.ts";
import { output, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";

const MONITORING = `${ROOT}deploy/monitoring`;
const EXPORTER = `
frontend metrics
  bind unix@metrics.sock
  http-request use-service prometheus-exporter if { path /metrics }
`;

async function readAgentStatus(haproxy: HaproxyProcess): Promise<string> {
  const socket = join(haproxy.directory.path, "admin.sock");
  return await output([`${MONITORING}/haproxy-agent-status`, socket]);
}

test("the alerts are valid, and fire in the cases of their unit tests", async () => {
  await output(["promtool", "check", "rules", `${MONITORING}/alerts.yml`]);
  await output(["promtool", "test", "rules", "alerts-fixture.yml"], { cwd: import.meta.dir });
});

test("HAProxy's exporter says what the alerts ask of it", async () => {
  await using agent = await startAgent({ state: { status: "DRAIN" } });
  await using haproxy = await startHaproxy(proxy(agent.port) + EXPORTER);
  await haproxy.shows({ status: "DRAIN (agent)" });
  const unix = join(haproxy.directory.path, "metrics.sock");
  const metrics = await (await fetch("http://haproxy/metrics", { unix })).text();
  expect(metrics).toContain('haproxy_server_status{proxy="be",server="s",state="DRAIN"} 1\n');
  expect(metrics).toContain('haproxy_server_status{proxy="be",server="s",state="MAINT"} 0\n');
  expect(metrics).toContain('haproxy_server_status{proxy="be",server="s",state="UP"} 0\n');
});

test.each([
  [{ status: "UP" }, "L7OK"],
  [{ status: "READY" }, "CHECKED"],
  [{ status: "DOWN", reason: 'a "b", c:d' }, "L7STS"],
])("haproxy-agent-status says how the check of %j went", async (state, result) => {
  await using agent = await startAgent({ state });
  await using haproxy = await startHaproxy(proxy(agent.port));
  await haproxy.shows({ agent_status: result });
  const text = await readAgentStatus(haproxy);
  const sample = `haproxy_server_agent_status{proxy="be",server="s",state="${result}"} 1`;
  expect(text.split("\n").filter((line) => !line.startsWith("#"))).toEqual([sample]);
  await output(["promtool", "check", "metrics"], { input: `${text}\n` });
});

test("haproxy-agent-status tells an agent that is not there, and fails without HAProxy", async () => {
  await using haproxy = await startHaproxy(proxy(freePort()));
  await until("it is L4CON", async () =>
    (await readAgentStatus(haproxy)).includes('{proxy="be",server="s",state="L4CON"} 1'),
  );
  const none = output([`${MONITORING}/haproxy-agent-status`, "/nonexistent.sock"]);
  await expect(none).rejects.toThrow("exit code 1");
});

test.each([
  ["UP", 1],
  ["DRAIN", 0],
])("the line for the textfile collector says of %s: %i", async (status, value) => {
  await using agent = await startAgent({ state: { status } });
  using directory = temporaryDirectory();
  const line = readFileSync(`${MONITORING}/hapgent.cron`, "utf8").split("\n").at(-2) ?? "";
  const command = line
    .replace(/^(\S+ ){6}/, "")
    .replace("/var/lib/prometheus/node-exporter", directory.path)
    .replace("hapgent status", `'${EXECUTABLE}' status 127.0.0.1:${agent.port}`);
  await output(["sh", "-c", command]);
  const text = readFileSync(join(directory.path, "hapgent.prom"), "utf8");
  expect(text).toBe(`hapgent_in_rotation ${value}\n`);
});

test("the nftables example is valid, and can be loaded again", async () => {
  const file = `${ROOT}deploy/nftables/hapgent.nft`;
  await output(["unshare", "--net", "nft", "--check", "--file", file]);
  const twice = ["sh", "-c", 'nft -f "$0" && nft -f "$0" && nft list tables', file];
  expect(await output(["unshare", "--net", ...twice])).toBe("table inet hapgent");
});
