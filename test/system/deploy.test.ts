// What hurt people who deployed with two real load balancers, one test each; a client that does not
// wait for answers counts every request that fails.
import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { outcome } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { deploy, Load, startDeploy, startLab } from "./deploy-lab.ts";

const MAINT = { status: "MAINT", reason: "bad disk" } as const;

describe.concurrent("no request fails", () => {
  test("in a rolling deploy of both hosts, 100 requests a second", async () => {
    await using lab = await startLab({ hosts: ["one", "two"], restart: 3000 });
    await using load = new Load(lab, 10);
    for (const host of lab.hosts) {
      await load.served(host);
      const url = `http://127.0.0.1:${host.port}/`;
      expect(await deploy(host, ["--url", url, "v42"])).toMatchObject({
        exitCode: 0,
        last: expect.stringMatching(
          /^hapgent deploy: done in .*; the agent says UP; every load balancer knows/,
        ),
      });
      await load.served(host);
      // HAProxy shows no reason with an exact DRAIN: the agent's log has it.
      expect(host.agent.log.join("\n")).toMatch(/old=UP new=DRAIN reason="v42 \[\d+\]"/);
    }
    const { failed, count } = await load.stop(["one", "two"]);
    expect({ failed, isMuch: count > 1000 }).toEqual({ failed: {}, isMuch: true });
  });

  test.each([
    ["", /connections? to port \d+ (left )?after 1?\d/],
    // HAProxy keeps no idle connections then: it is over with the last request.
    ["option http-server-close", /no connection to port \d+ after \d/],
  ])("where each takes 4 s, with --drain 10 and %j", async (backend, line) => {
    await using lab = await startLab({ hosts: ["one", "two"], request: 4000, backend });
    await using load = new Load(lab, 100);
    await load.served(lab.host, 5);
    const drain = ["--drain", "10", "--port", String(lab.host.port)];
    const { exitCode, lines } = await deploy(lab.host, [...drain, "v42"]);
    expect({ exitCode, lines }).toEqual({
      exitCode: 0,
      lines: expect.arrayContaining([expect.stringMatching(line)]),
    });
    const { failed, count } = await load.stop(["one", "two"]);
    expect({ failed, isMuch: count > 50 }).toEqual({ failed: {}, isMuch: true });
  });

  test("of sessions that stick by a cookie, with --status MAINT", async () => {
    const backend = "cookie SERVER insert indirect nocache";
    await using lab = await startLab({ hosts: ["one", "two"], backend });
    await using load = new Load(lab, 10, { cookie: "SERVER=one" });
    await load.served(lab.host, 100);
    expect((await deploy(lab.host, ["--status", "MAINT", "v42"])).exitCode).toBe(0);
    await load.served(lab.host);
    const { failed, count } = await load.stop(["one", "two"]);
    expect({ failed, isMuch: count > 500 }).toEqual({ failed: {}, isMuch: true });
  });

  test("of two deploys of one host at a time: the second is refused, and told who is at it", async () => {
    await using lab = await startLab({ hosts: ["one", "two"] });
    await using load = new Load(lab, 10);
    await load.served(lab.host);
    const first = await startDeploy(lab.host, ["v42"], /set DRAIN/);
    const second = await deploy(lab.host, ["v43"]);
    expect(second).toMatchObject({
      exitCode: 3,
      last: expect.stringMatching(/^hapgent deploy: nothing was changed: .*\(pid \d+, v42\)/),
    });
    expect((await first.end()).exitCode).toBe(0);
    expect(lab.host.restarts()).toBe(1);
    await load.served(lab.host);
    expect((await load.stop(["one", "two"])).failed).toEqual({});
  });
});

describe.concurrent("what somebody else has set stays:", () => {
  test("MAINT with its reason, whether HAProxy asks or not", async () => {
    await using lab = await startLab({ state: MAINT });
    for (const wait of ["30", "3"]) {
      const { exitCode, last } = await deploy(lab.host, ["--wait", wait, "v42"]);
      expect({ exitCode, last }).toEqual({
        exitCode: 3,
        last: expect.stringContaining('the server is MAINT "bad disk" since '),
      });
      await lab.balancers[0]?.[Symbol.asyncDispose]();
    }
    expect(JSON.parse(lab.host.agent.file())).toEqual(MAINT);
    expect(lab.host.restarts()).toBe(0);
  });

  test("a SIGUSR2 while the command runs", async () => {
    await using lab = await startLab({ restart: 2000 });
    const deployed = await startDeploy(lab.host, ["v42"], /running curl/);
    lab.host.agent.signal("SIGUSR2");
    const { exitCode, last } = await deployed.end();
    expect(exitCode).toBe(1);
    expect(last).toMatch(/it is DOWN .*\(SIGUSR2\), and stays so$/);
    expect(await lab.host.agent.ask({ payload: "one\n" })).toBe("DOWN\n");
  });

  test("a SIGUSR1 while it waits: the command does not run", async () => {
    await using lab = await startLab();
    const deployed = await startDeploy(lab.host, ["v42"], /set DRAIN/);
    lab.host.agent.signal("SIGUSR1");
    const { exitCode, last } = await deployed.end();
    expect({ exitCode, restarts: lab.host.restarts() }).toEqual({ exitCode: 1, restarts: 0 });
    expect(last).toStartWith("hapgent deploy: nothing was deployed: ");
    expect(await lab.host.agent.ask({ payload: "one\n" })).toBe("UP\n");
  });

  test("a pkill -USR2 of the agent, which does not reach the deploy and its wait", async () => {
    await using lab = await startLab();
    const deployed = await startDeploy(lab.host, ["v42"], /set DRAIN/);
    const name = (pid: number) => readFileSync(`/proc/${pid}/comm`, "utf8").trim();
    expect([name(lab.host.agent.pid), name(deployed.process.pid)]).toEqual([
      "hapgent",
      "hapgent-deploy",
    ]);
    for (const pid of [lab.host.agent.pid, deployed.process.pid]) process.kill(pid, "SIGUSR2");
    const { exitCode } = await deployed.end();
    expect({ exitCode, restarts: lab.host.restarts() }).toEqual({ exitCode: 1, restarts: 0 });
    expect(await lab.host.agent.ask({ payload: "one\n" })).toBe("DOWN\n");
  });

  test("a host that is DOWN: no service behind it is deployed", async () => {
    using services = temporaryDirectory();
    writeFileSync(`${services.path}/web.json`, '{"status":"UP"}');
    await using lab = await startLab({
      state: { status: "DOWN", reason: "power" },
      send: "web",
      env: { HAPGENT_SERVICES: services.path },
    });
    expect(await deploy(lab.host, ["@web", "v42"])).toMatchObject({
      exitCode: 3,
      last: expect.stringContaining('the host is DOWN "power" since '),
    });
    expect(lab.host.restarts()).toBe(0);
    // And once it is up again, the service is deployed, in one step: its replies are full.
    lab.host.agent.signal("SIGUSR1");
    await lab.host.agent.answers("ready up 100%\n");
    const { exitCode, lines } = await deploy(lab.host, ["@web", "v43"]);
    expect({ exitCode, sets: lines.flatMap((line) => / set (\w+)/.exec(line)?.[1] ?? []) }).toEqual(
      {
        exitCode: 0,
        sets: ["DRAIN", "UP"],
      },
    );
  });
});

describe.concurrent("when a load balancer", () => {
  test("is silent, nothing is deployed: it is named, and the server goes back", async () => {
    await using lab = await startLab();
    const [, second] = lab.balancers;
    const deployed = await startDeploy(
      lab.host,
      ["--wait", "5", "v42"],
      /served to all of 2 pollers/,
    );
    await second?.command("disable agent be/one");
    const { exitCode, last } = await deployed.end();
    expect({ exitCode, restarts: lab.host.restarts() }).toEqual({ exitCode: 1, restarts: 0 });
    expect(last).toMatch(/^hapgent deploy: nothing was deployed: after 5\S* s: 1 of 2 /);
    expect(last).toContain(`If it is gone: hapgent ctl forget ${lab.addresses[1]}`);
    expect(last).toMatch(
      /to finish: hapgent ctl wait 5 && hapgent ctl change READY 'v42 \[\d+\]' to UP$/,
    );
  });

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
});

describe.concurrent("a deploy", () => {
  test("of a fresh host that nobody polls yet is allowed with --pollers 0", async () => {
    await using lab = await startLab({ balancers: 0 });
    const refused = await deploy(lab.host, ["--wait", "11", "v42"]);
    expect(refused).toMatchObject({ exitCode: 3 });
    const { exitCode, last } = await deploy(lab.host, ["--pollers", "0", "v42"]);
    expect({ exitCode, last }).toEqual({
      exitCode: 0,
      last: expect.stringMatching(/the agent says UP; no load balancer asks$/),
    });
  });

  test("of a host whose agent has just started needs the number of load balancers", async () => {
    await using lab = await startLab({ env: { HAPGENT_POLLERS: "127.7.0.0/16" } });
    expect(await deploy(lab.host, ["v42"])).toMatchObject({
      exitCode: 3,
      last: expect.stringContaining("may not be known yet; say how many there are (--pollers N)"),
    });
    expect(await deploy(lab.host, ["--pollers", "2", "v42"])).toMatchObject({ exitCode: 0 });
    expect(lab.host.restarts()).toBe(1);
  });

  test("takes hold again, and goes on, when its command restarts the agent", async () => {
    await using lab = await startLab();
    const { pid, socket } = lab.host.agent;
    using directory = temporaryDirectory();
    const variables = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").filter(Boolean);
    const script = [
      `kill ${pid}`,
      `while kill -0 ${pid} 2>/dev/null; do sleep 0.02; done`,
      'env -i "$@" >/dev/null 2>&1 &',
      `echo $! > ${directory.path}/pid`,
      `until test -S ${socket}; do sleep 0.02; done`,
    ];
    const command = ["sh", "-c", script.join("\n"), "sh", ...variables, EXECUTABLE];
    const { exitCode, last } = await deploy(lab.host, ["v42"], command);
    process.kill(Number(readFileSync(`${directory.path}/pid`, "utf8")), "SIGKILL");
    expect({ exitCode, last }).toEqual({
      exitCode: 0,
      last: expect.stringContaining("the agent says UP; every load balancer knows"),
    });
  });
});
