// What a real HAProxy makes of a state that follows a command: the weight follows the load, a replica
// that lags is drained and comes back, people come first, and a deploy loses nothing.
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { startAgent } from "../../scripts/lib/agent.ts";
import { proxy, startHaproxy } from "../../scripts/lib/haproxy.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { deploy, startLab } from "./deploy-lab.ts";
import { Follower } from "./follow.ts";
import { Traffic } from "./traffic.ts";

/** An agent as it is installed, behind a HAProxy that asks for a service. */
async function start(service: string) {
  const stack = new AsyncDisposableStack();
  const env = { ...TUNED, HAPGENT_REPLY: "full" };
  const agent = stack.use(await startAgent({ state: { status: "UP" }, socket: true, env }));
  const haproxy = stack.use(await startHaproxy(proxy(agent.port, `agent-send "${service}\\n"`)));
  const follower = stack.use(new Follower(agent));
  return { agent, haproxy, follower, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

test.concurrent("the weight follows the load within two runs", async () => {
  await using world = await start("web");
  const { haproxy, follower } = world;
  const file = `${follower.path}/loadavg`;
  follower.stub("nproc", "echo 4");
  for (const [load, uweight] of [
    ["0.40", 90],
    ["2.00", 50],
    ["9.00", 10],
    ["0.00", 100],
  ] as const) {
    writeFileSync(file, `${load} 0.00 0.00 1/100 12345\n`);
    for (let run = 1; run <= 2; run += 1) {
      expect((await follower.runExample("load", { "/proc/loadavg": file })).exitCode).toBe(0);
    }
    await haproxy.shows({ status: "UP", uweight });
  }
});

test.concurrent("a replica that lags is drained and comes back", async () => {
  await using world = await start("db-read");
  const { haproxy, follower } = world;
  for (const [lag, expected] of [
    ["0", { status: "UP", uweight: 100 }],
    ["40", { status: "DRAIN (agent)", srv_admin_state: 8 }],
    ["8", { status: "UP", uweight: 46, srv_admin_state: 0 }],
    ["NULL", { status: "DRAIN (agent)", srv_admin_state: 8 }],
    ["1", { status: "UP", uweight: 100, srv_admin_state: 0 }],
  ] as const) {
    follower.stub("mysql", `echo "Seconds_Behind_Source: ${lag}"`);
    for (let run = 1; run <= 2; run += 1) {
      await follower.runExample("mysql-lag", { "@db-read": "" });
    }
    await haproxy.shows(expected);
  }
  expect(haproxy.failedChecks()).toEqual([]);
});

test.concurrent("an operator's MAINT stays through ten runs", async () => {
  await using world = await start("web");
  const { agent, haproxy, follower } = world;
  for (const says of ["up 50%", "down"]) {
    await follower.run("--rise", "1", "--fall", "1", "echo", says);
  }
  await haproxy.shows({ status: "DOWN (agent)" });
  // By a person, over what was followed until then.
  await agent.ctl("set status", "MAINT", "bad disk");
  await haproxy.shows({ status: "MAINT" });
  const before = agent.log.length;
  for (let run = 1; run <= 10; run += 1) {
    const { exitCode } = await follower.run("--rise", "1", "echo", "up 70%");
    expect([exitCode, (await haproxy.server()).status]).toEqual([0, "MAINT"]);
  }
  expect(JSON.parse(agent.file())).toEqual({ status: "MAINT", weight: 50, reason: "bad disk" });
  expect(agent.log.length).toBe(before);
  await agent.ctl("set status", "UP");
  await follower.run("--rise", "1", "echo", "up 70%");
  await haproxy.shows({ status: "UP", uweight: 70 });
});

test.concurrent.each(["full", "exact"])(
  "two deploys beside a command that is followed lose nothing, with %s replies",
  async (reply) => {
    await using lab = await startLab({ hosts: ["one", "two"], env: { HAPGENT_REPLY: reply } });
    await using traffic = new Traffic(lab.balancers);
    const over = new AbortController();
    const said = lab.hosts.map(() => "");
    const followed = lab.hosts.map(async ({ agent }, i) => {
      using follower = new Follower(agent);
      for (let run = 1; !over.signal.aborted; run += 1) {
        // Its weight changes all the time.
        follower.stub("says", `echo up ${50 + (run % 50)}%`);
        const { stdout, stderr } = await follower.run("says");
        said[i] += stdout + stderr;
      }
    });
    const follows = (what: RegExp) => until(`${what}`, () => said.every((text) => what.test(text)));
    await follows(/ok saved: /);
    for (const host of lab.hosts) {
      await traffic.served(host);
      const { exitCode, lines } = await deploy(host, ["v42"]);
      expect({ exitCode, lines }).toEqual({ exitCode: 0, lines: expect.anything() });
      await traffic.served(host);
    }
    await follows(/ok saved: .*not followed: held by hapgent deploy .*ok saved: /s);
    over.abort();
    await Promise.all(followed);
    for (const text of said) expect(text).not.toContain("the state stays");
    expect((await traffic.stop()).failed).toEqual({});
  },
  60_000,
);
