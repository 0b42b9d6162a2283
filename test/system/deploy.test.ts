// A deploy with two real load balancers: no request of clients that do not wait for answers fails,
// and what it asks a real agent is answered as it expects. Its steps are in test/commands/deploy-steps.test.ts.
import { describe, expect, test } from "bun:test";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { outcome } from "../../scripts/lib/shell.ts";
import { until } from "../../scripts/lib/until.ts";
import { deploy, startDeploy, startLab } from "./deploy-lab.ts";
import { Traffic } from "./traffic.ts";

const HOSTS = ["one", "two"];

describe.concurrent("no request fails", () => {
  test("in a rolling deploy of both hosts, with a second deploy beside each that is refused", async () => {
    await using lab = await startLab({ hosts: HOSTS, restart: 3000 });
    await using traffic = new Traffic(lab.balancers);
    for (const host of lab.hosts) {
      await traffic.served(host);
      const args = ["--url", `http://127.0.0.1:${host.port}/`, "v42"];
      const first = await startDeploy(host, args, /set DRAIN/);
      expect(await deploy(host, ["v43"])).toMatchObject({
        exitCode: 3,
        last: expect.stringMatching(/^hapgent deploy: nothing was changed: .*\(pid \d+, v42\)/),
      });
      expect(await first.end()).toMatchObject({
        exitCode: 0,
        last: expect.stringMatching(/; the agent says UP; every load balancer knows/),
      });
      expect(host.restarts()).toBe(1);
      await traffic.served(host);
      // HAProxy shows no reason with an exact DRAIN: the agent's log has it.
      expect(host.agent.log.join("\n")).toMatch(/old=UP new=DRAIN reason="v42 \[\d+\]"/);
    }
    expect((await traffic.stop()).failed).toEqual({});
  });

  test.each([
    ["", /connections? to port \d+ (left )?after 1?\d/],
    // HAProxy keeps no idle connections then: it is over with the last request.
    ["option http-server-close", /no connection to port \d+ after \d/],
  ])("where each takes 4 s, with --drain 10 and %j", async (backend, line) => {
    await using lab = await startLab({ hosts: HOSTS, request: 4000, backend });
    await using traffic = new Traffic(lab.balancers, 100);
    await traffic.served(lab.host, 5);
    const drain = ["--drain", "10", "--port", String(lab.host.port)];
    const { exitCode, lines } = await deploy(lab.host, [...drain, "v42"]);
    expect({ exitCode, said: lines.join("\n") }).toEqual({
      exitCode: 0,
      said: expect.stringMatching(line),
    });
    expect((await traffic.stop()).failed).toEqual({});
  });

  test("of sessions that stick by a cookie, with --status MAINT", async () => {
    const backend = "cookie SERVER insert indirect nocache";
    await using lab = await startLab({ hosts: HOSTS, backend });
    await using traffic = new Traffic(lab.balancers, 10, { cookie: "SERVER=one" });
    await traffic.served(lab.host, 100);
    expect((await deploy(lab.host, ["--status", "MAINT", "v42"])).exitCode).toBe(0);
    await traffic.served(lab.host);
    expect((await traffic.stop()).failed).toEqual({});
  });
});

describe.concurrent("when a load balancer", () => {
  test("dies while the command runs, the last line names it and says what to type", async () => {
    await using lab = await startLab({ restart: 1500 });
    const deployed = await startDeploy(lab.host, ["--wait", "5", "v42"], /running curl/);
    await lab.balancers[1]?.[Symbol.asyncDispose]();
    const { exitCode, last } = await deployed.end();
    expect({ exitCode, restarts: lab.host.restarts() }).toEqual({ exitCode: 1, restarts: 1 });
    expect(last).toMatch(/^hapgent deploy: deployed, but after 5\S* s: 1 of 2 /);
    expect(last).toContain(`If it is gone: hapgent ctl forget ${lab.addresses[1]}`);
    // What it says to type works as it stands there.
    const [, next = ""] = /to finish: (.*)$/.exec(last) ?? [];
    const typed = `hapgent() { '${EXECUTABLE}' "$@"; }; hapgent ctl forget ${lab.addresses[1]} && ${next}`;
    await outcome(["sh", "-c", typed], { env: { HAPGENT_SOCKET: lab.host.agent.socket } });
    await lab.host.agent.answers("UP\n");
  });

  test("comes and goes, --forget-silent deploys without it", async () => {
    await using lab = await startLab();
    await lab.balancers[1]?.[Symbol.asyncDispose]();
    await until("one is silent", async () => {
      await Bun.sleep(200);
      const { stdout } = await lab.host.agent.ctl("show", "pollers");
      return JSON.parse(stdout).some(({ age }: { age: number }) => age > 2);
    });
    expect(await deploy(lab.host, ["--forget-silent", "2", "v42"])).toMatchObject({ exitCode: 0 });
  });

  test("has not asked yet, a deploy is refused, and allowed with --pollers 0", async () => {
    await using lab = await startLab({ balancers: 0 });
    expect(await deploy(lab.host, ["--wait", "11", "v42"])).toMatchObject({ exitCode: 3 });
    expect(await deploy(lab.host, ["--pollers", "0", "v42"])).toMatchObject({
      exitCode: 0,
      last: expect.stringMatching(/the agent says UP; no load balancer asks$/),
    });
  });

  test("may not be known, as the agent has just started, their number is needed", async () => {
    await using lab = await startLab({ env: { HAPGENT_POLLERS: "127.7.0.0/16" } });
    expect(await deploy(lab.host, ["v42"])).toMatchObject({
      exitCode: 3,
      last: expect.stringContaining("may not be known yet; say how many there are (--pollers N)"),
    });
    expect(await deploy(lab.host, ["--pollers", "2", "v42"])).toMatchObject({ exitCode: 0 });
    expect(lab.host.restarts()).toBe(1);
  });
});
