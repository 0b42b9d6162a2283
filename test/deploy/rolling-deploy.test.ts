// A rolling deploy as an operator has it: HAProxy's own intervals, web servers that take 8 s to come
// back, requests under way, sessions that stick. test/system/deploy.test.ts has it in small.
import { expect, test } from "bun:test";
import { deploy, type LabOptions, startLab } from "../system/deploy-lab.ts";
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

test.concurrent.each(DEPLOYS)(
  "a rolling deploy fails no request %s",
  async (_, options, pause, headers, args) => {
    await using lab = await startLab(options);
    await using traffic = new Traffic(lab.balancers, pause, headers);
    for (const host of lab.hosts) {
      // Each load balancer finds each host up, by its own checks and by the agent.
      for (const balancer of lab.balancers) {
        for (const { name } of lab.hosts) await balancer.shows({ status: "UP" }, `be/${name}`);
      }
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
  },
);
