// A rolling deploy as an operator has it: HAProxy's own intervals, web servers that take 8 s to come
// back, requests under way, beside a command that is followed. test/system/deploy.test.ts has it in small.
import { describe, expect, test } from "bun:test";
import { outcome, ROOT } from "../../scripts/lib/shell.ts";
import { until } from "../../scripts/lib/until.ts";
import { deploy, type Host, type Lab, type LabOptions, startLab } from "../system/deploy-lab.ts";
import { SCRIPTS } from "../system/follow.ts";
import { Traffic } from "../system/traffic.ts";

/** HAProxy's own intervals. */
const OWN: LabOptions = { hosts: ["one", "two"], interval: "2s", restart: 8000 };

/** What is requested: a lab, milliseconds between requests, their headers; and how it is deployed. */
const DEPLOYS: [string, LabOptions, number, Record<string, string>, string[]][] = [
  ["of 4 s", { ...OWN, request: 4000 }, 50, {}, ["--drain", "30"]],
  [
    "of sessions that stick to the first host",
    { ...OWN, backend: "cookie SERVER insert indirect nocache" },
    10,
    { cookie: "SERVER=one" },
    ["--status", "MAINT"],
  ],
];

describe.concurrent("a rolling deploy fails no request", () => {
  test.each(DEPLOYS)("%s", async (_, options, pause, headers, args) => {
    await using lab = await startLab(options);
    await using traffic = new Traffic(lab.balancers, pause, headers);
    for (const host of lab.hosts) {
      await areUp(lab);
      const url = ["--url", `http://127.0.0.1:${host.port}/`, "--settle", "5"];
      const port = args.includes("--drain") ? ["--port", String(host.port)] : [];
      expect(await deploy(host, [...url, ...args, ...port, "v42"])).toMatchObject({ exitCode: 0 });
    }
    await traffic.served(lab.host);
    const { failed } = await traffic.stop();
    expect({ failed, restarts: lab.hosts.map((host) => host.restarts()) }).toEqual({
      failed: {},
      restarts: [1, 1],
    });
  });

  test.each(["exact", "full"])("beside a command that is followed, %s replies", async (reply) => {
    await using lab = await startLab({ ...OWN, env: { HAPGENT_REPLY: reply } });
    await using traffic = new Traffic(lab.balancers);
    const over = new AbortController();
    const followed = lab.hosts.map((host) => ({ host, said: [] as string[] }));
    const loops = followed.map(({ host, said }) => follow(host, said, over.signal));
    for (const { host, said } of followed) {
      const isSaved = () => said.at(-1)?.startsWith("hapgent-follow: ok saved: ");
      await until("it is followed", isSaved);
      await areUp(lab);
      expect(await deploy(host, ["v42"])).toMatchObject({ exitCode: 0 });
      expect(said.join("\n")).toContain("not followed: held by hapgent deploy");
      await until("it is followed again", isSaved);
    }
    await traffic.served(lab.host);
    over.abort();
    await Promise.all(loops);
    expect((await traffic.stop()).failed).toEqual({});
  });
});

/** Waits until each load balancer finds each host up, by its own checks and by the agent. */
async function areUp({ balancers, hosts }: Lab): Promise<void> {
  for (const balancer of balancers) {
    for (const { name } of hosts) await balancer.shows({ status: "UP" }, `be/${name}`);
  }
}

/** Follows a command whose weight changes all the time, until it is over; notes what is said. */
async function follow({ agent }: Host, said: string[], over: AbortSignal): Promise<void> {
  const env = { PATH: `${ROOT}dist:${Bun.env["PATH"]}`, HAPGENT_SOCKET: agent.socket };
  const says = "echo up $(($(date +%s) % 50 + 50))%";
  while (!over.aborted) {
    const command = [`${SCRIPTS}/hapgent-follow`, "sh", "-c", says];
    const { stdout, stderr } = await outcome(command, { env });
    said.push(...(stdout + stderr).split("\n").filter(Boolean));
  }
}
