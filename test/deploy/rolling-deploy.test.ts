// A rolling deploy as an operator has it: HAProxy's own intervals, web servers that take 8 s to come
// back, requests under way, beside a command that is followed. Minutes long; test/system/deploy.test.ts
// has the first in small.
import { describe, expect, test } from "bun:test";
import { outcome, ROOT } from "../../scripts/lib/shell.ts";
import { deploy, type Host, type LabOptions, startLab } from "../system/deploy-lab.ts";
import { SCRIPTS } from "../system/follow.ts";
import { Traffic } from "../system/traffic.ts";

/** HAProxy's own intervals. */
const OWN: LabOptions = { hosts: ["one", "two"], interval: "2s", restart: 8000 };

/** What is requested: a lab, milliseconds between requests, their headers; and how it is deployed. */
const DEPLOYS: [string, LabOptions, number, Record<string, string>, string[]][] = [
  ["of 10 ms", OWN, 10, {}, []],
  ["of 4 s", { ...OWN, request: 4000 }, 50, {}, ["--drain", "10"]],
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
    await traffic.served(lab.host);
    for (const host of lab.hosts) {
      const url = ["--url", `http://127.0.0.1:${host.port}/`, "--settle", "5"];
      const port = args.includes("--drain") ? ["--port", String(host.port)] : [];
      expect(await deploy(host, [...url, ...args, ...port, "v42"])).toMatchObject({ exitCode: 0 });
    }
    await traffic.served(lab.host);
    const { failed, answers } = await traffic.stop();
    console.log(`answers: ${JSON.stringify(answers)}`);
    expect({ failed, restarts: lab.hosts.map((host) => host.restarts()) }).toEqual({
      failed: {},
      restarts: [1, 1],
    });
  });

  test.each(["exact", "full"])("beside a command that is followed, %s replies", async (reply) => {
    await using lab = await startLab({ ...OWN, env: { HAPGENT_REPLY: reply } });
    await using traffic = new Traffic(lab.balancers);
    const over = new AbortController();
    const said = lab.hosts.map((host) => follow(host, over.signal));
    for (const host of lab.hosts) {
      await traffic.served(host);
      expect(await deploy(host, ["v42"])).toMatchObject({ exitCode: 0 });
    }
    await traffic.served(lab.host);
    over.abort();
    for (const text of await Promise.all(said)) {
      expect(text).toMatch(/^\S+ ok saved: .*not followed: held by hapgent deploy .*ok saved: /s);
    }
    expect((await traffic.stop()).failed).toEqual({});
  });
});

/** Follows a command whose weight changes all the time, until it is over; returns what was said. */
async function follow({ agent }: Host, over: AbortSignal): Promise<string> {
  const env = { PATH: `${ROOT}dist:${Bun.env["PATH"]}`, HAPGENT_SOCKET: agent.socket };
  const says = "echo up $(($(date +%s) % 50 + 50))%";
  let said = "";
  while (!over.aborted) {
    const command = [`${SCRIPTS}/hapgent-follow`, "sh", "-c", says];
    const { stdout, stderr } = await outcome(command, { env });
    said += stdout + stderr;
  }
  return said;
}
