// The alerts fire when they must, on metrics that a real HAProxy has; the firewall example is valid.
import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { output, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { proxy, startHaproxy } from "../haproxy.ts";

const MONITORING = `${ROOT}deploy/monitoring`;
const EXPORTER = `
frontend metrics
  bind unix@metrics.sock
  http-request use-service prometheus-exporter if { path /metrics }
`;

const SCRIPT = "/var/lib/node/haproxy_agent_status.prom";

/**
 * Of each alert the samples of each minute, and of some minutes which alerts fire: their labels by
 * their summaries.
 */
const ALERTS: Record<string, [samples: string, Record<string, Record<string, object>>]> = {
  // One cannot be reached, whatever the error; four answers again; both kinds tell of five.
  HapgentSilent: [
    `hapgent_agent_check{proxy="web",server="one",state="L4CON"} 1 1 _ _ 1 1
    hapgent_agent_check{proxy="web",server="one",state="L4TOUT"} _ _ 1 1 _ _
    hapgent_agent_check{proxy="web",server="two",state="L7STS"} 1x5
    hapgent_agent_check{proxy="web",server="three",state="L7OK"} 1x5
    hapgent_agent_check{proxy="web",server="four",state="L7TOUT"} 1 1 stale
    hapgent_agent_check{proxy="web",server="four",state="L7OK"} _ _ 1x10
    hapgent_agent_check{instance="lb1:9100",proxy="web",server="five",state="L4CON"} 1x10
    haproxy_server_agent_status{instance="lb1",proxy="web",server="five",state="L4CON"} 1x10
    haproxy_server_agent_status{instance="lb1",proxy="web",server="five",state="L7OK"} 0x10
    haproxy_server_agent_status{instance="lb1",proxy="web",server="six",state="L4CON"} 0x10
    haproxy_server_agent_status{instance="lb1",proxy="web",server="six",state="L7STS"} 1x10`,
    {
      "1m": {},
      "5m": {
        "No agent answers for web/one": { proxy: "web", server: "one" },
        "No agent answers for web/five": { instance: "lb1", proxy: "web", server: "five" },
      },
    },
  ],
  HapgentOut: [
    `hapgent_in_rotation{instance="web1"} 0x70
    hapgent_in_rotation{instance="web2"} 1x70
    hapgent_service_in_rotation{instance="web2",service="api"} 0x70
    hapgent_service_in_rotation{instance="web2",service="shop"} 1x70`,
    {
      "59m": {},
      "61m": {
        "All of web1 is out of rotation": { instance: "web1" },
        "api of web2 is out of rotation": { instance: "web2", service: "api" },
      },
    },
  ],
  HapgentUnwatched: [
    `node_textfile_mtime_seconds{instance="lb1",file="${SCRIPT}"} 0x20
    node_textfile_mtime_seconds{instance="lb1",file="/var/lib/node/other.prom"} 0x20`,
    {
      "5m": {},
      "6m": {
        "haproxy-agent-status has not run on lb1 for 5 minutes": { instance: "lb1", file: SCRIPT },
      },
    },
  ],
  // Drained, then in maintenance.
  ServerDrained: [
    `haproxy_server_status{proxy="web",server="one",state="DRAIN"} 1x30 0x40
    haproxy_server_status{proxy="web",server="one",state="MAINT"} 0x30 1x40
    haproxy_server_status{proxy="web",server="one",state="UP"} 0x70`,
    {
      "59m": {},
      "61m": { "web/one has been out of rotation for an hour": { proxy: "web", server: "one" } },
    },
  ],
  BackendHalfOut: [
    `haproxy_server_status{proxy="web",server="one",state="UP"} 1x10
    haproxy_server_status{proxy="web",server="two",state="UP"} 1x4 0x5
    haproxy_server_status{proxy="web",server="three",state="UP"} 0x10`,
    {
      "4m": {},
      "7m": { "More than half of the servers of web are out of rotation": { proxy: "web" } },
    },
  ],
};

interface Rule {
  readonly alert: string;
  readonly labels: object;
  readonly annotations: object;
}

test("the alerts are valid, and each fires when it must", async () => {
  const file = `${MONITORING}/alerts.yml`;
  await output(["promtool", "check", "rules", file]);
  const { groups } = Bun.YAML.parse(readFileSync(file, "utf8")) as { groups: { rules: Rule[] }[] };
  const rules = groups.flatMap((group) => group.rules);
  expect(rules.map(({ alert }) => alert).toSorted()).toEqual(Object.keys(ALERTS).toSorted());
  const tests = rules.map(({ alert: alertname, labels, annotations }) => {
    const [samples, times] = ALERTS[alertname] ?? ["", {}];
    return {
      interval: "1m",
      input_series: [...samples.matchAll(/(\S+\}) (.+)/g)].map(([, series, values]) => {
        return { series, values };
      }),
      alert_rule_test: Object.entries(times).map(([eval_time, alerts]) => ({
        ...{ eval_time, alertname },
        exp_alerts: Object.entries(alerts).map(([summary, more]) => ({
          exp_labels: { ...labels, ...more },
          exp_annotations: { ...annotations, summary },
        })),
      })),
    };
  });
  using directory = temporaryDirectory();
  const path = join(directory.path, "tests.yml");
  writeFileSync(path, JSON.stringify({ rule_files: [file], evaluation_interval: "1m", tests }));
  await output(["promtool", "test", "rules", path]);
});

test("HAProxy's exporter says what the alerts ask of it; haproxy-agent-status says how each check went", async () => {
  await using agent = await startAgent({ state: { status: "DRAIN" } });
  await using haproxy = await startHaproxy(proxy(agent.port) + EXPORTER);
  await haproxy.shows({ status: "DRAIN (agent)" });
  const unix = join(haproxy.directory.path, "metrics.sock");
  const metrics = await (await fetch("http://haproxy/metrics", { unix })).text();
  for (const [state, value] of Object.entries({ DRAIN: 1, MAINT: 0, UP: 0 })) {
    const sample = `haproxy_server_status{proxy="be",server="s",state="${state}"} ${value}\n`;
    expect(metrics).toContain(sample);
  }

  const admin = join(haproxy.directory.path, "admin.sock");
  const says = async (result: string) => {
    await haproxy.shows({ agent_status: result });
    const text = await output([`${MONITORING}/haproxy-agent-status`, admin]);
    const sample = `hapgent_agent_check{proxy="be",server="s",state="${result}"} 1`;
    expect(text.split("\n").filter((line) => !line.startsWith("#"))).toEqual([sample]);
    await output(["promtool", "check", "metrics"], { input: `${text}\n` });
  };
  agent.change({ status: "UP" });
  await says("L7OK");
  agent.change({ status: "DOWN", reason: 'a "b", c:d' });
  await says("L7STS");
  agent.change({ status: "READY" });
  await says("CHECKED");
  await agent.stop("SIGKILL");
  await says("L4CON");
  const none = output([`${MONITORING}/haproxy-agent-status`, "/nonexistent.sock"]);
  await expect(none).rejects.toThrow("exit code 1");
});

const NAMES = { HOST: "hapgent_in_rotation", SERVICE: "hapgent_service_in_rotation" };

/** What the line of the cron file writes for the textfile collector, without comments. */
async function runCron(env: Record<string, string>): Promise<string[]> {
  using directory = temporaryDirectory();
  const line = readFileSync(`${MONITORING}/hapgent.cron`, "utf8").split("\n").at(-2) ?? "";
  const command = line
    .replace(/^(\S+ ){6}/, "")
    .replace("/var/lib/prometheus/node-exporter", directory.path);
  const PATH = `${MONITORING}:${dirname(EXECUTABLE)}:${Bun.env["PATH"]}`;
  await output(["sh", "-c", command], { env: { ...env, PATH } });
  const text = readFileSync(join(directory.path, "hapgent.prom"), "utf8");
  await output(["promtool", "check", "metrics"], { input: text });
  return text.split("\n").filter((row) => row !== "" && !row.startsWith("#"));
}

test("the textfile collector learns of the host, of each service, and that an agent does not answer", async () => {
  using services = temporaryDirectory();
  const states = {
    api: { status: "UP" },
    web: { status: "DOWN", reason: '{"name":"x", "reply":"ready up"' },
    shop: { status: "READY", weight: 0 },
  };
  for (const [name, state] of Object.entries(states)) {
    writeFileSync(join(services.path, `${name}.json`), JSON.stringify(state));
  }
  const socket = join(services.path, "hapgent.sock");
  const env = { HAPGENT_SERVICES: services.path, HAPGENT_SOCKET: socket };
  await using agent = await startAgent({ state: { status: "UP" }, env });
  const asked = { ...env, HAPGENT_IP: "127.0.0.1", HAPGENT_PORT: String(agent.port) };
  expect(await runCron(asked)).toEqual([
    `${NAMES.HOST} 1`,
    `${NAMES.SERVICE}{service="api"} 1`,
    `${NAMES.SERVICE}{service="shop"} 0`,
    `${NAMES.SERVICE}{service="web"} 0`,
  ]);
  agent.change({ status: "DRAIN", reason: "was up " });
  await until("it is out", async () => (await runCron(asked))[0] === `${NAMES.HOST} 0`);
  agent.change({ status: "UP" });
  await until("it is in", async () => (await runCron(asked))[0] === `${NAMES.HOST} 1`);
  await agent.stop("SIGKILL");
  expect(await runCron(asked)).toEqual([`${NAMES.HOST} 0`]);
});

test("the nftables example is valid, and can be loaded again", async () => {
  const file = `${ROOT}deploy/nftables/hapgent.nft`;
  await output(["unshare", "--net", "nft", "--check", "--file", file]);
  const twice = ["sh", "-c", 'nft -f "$0" && nft -f "$0" && nft list tables', file];
  expect(await output(["unshare", "--net", ...twice])).toBe("table inet hapgent");
});
