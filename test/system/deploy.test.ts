// A deploy with two real load balancers: no request of clients that do not wait for answers fails, and
// what its last line says to type works. Its steps are in test/commands/deploy-steps.test.ts; requests
// of seconds and sessions that stick in test/deploy/rolling-deploy.test.ts.
import { expect, test } from "bun:test";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { outcome } from "../../scripts/lib/shell.ts";
import { deploy, startDeploy, startLab } from "./deploy-lab.ts";
import { Traffic } from "./traffic.ts";

test.concurrent("no request fails in a rolling deploy, beside a second one that is refused", async () => {
  await using lab = await startLab({ hosts: ["one", "two"], restart: 3000 });
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

test.concurrent("when a load balancer dies meanwhile, the last line names it and says what to type", async () => {
  await using lab = await startLab({ restart: 5000 });
  const deployed = await startDeploy(lab.host, ["--wait", "15", "v42"], /running curl/);
  await lab.balancers[1]?.[Symbol.asyncDispose]();
  const { exitCode, last } = await deployed.end();
  expect({ exitCode, restarts: lab.host.restarts() }).toEqual({ exitCode: 1, restarts: 1 });
  expect(last).toMatch(/^hapgent deploy: deployed, but after \S+ s: 1 of 2 /);
  expect(last).toContain(`If it is gone: hapgent ctl forget ${lab.addresses[1]}`);
  const [, next = ""] = /to finish: (.*)$/.exec(last) ?? [];
  const typed = `hapgent() { '${EXECUTABLE}' "$@"; }; hapgent ctl forget ${lab.addresses[1]} && ${next}`;
  await outcome(["sh", "-c", typed], { env: { HAPGENT_SOCKET: lab.host.agent.socket } });
  await lab.host.agent.answers("UP\n");
});
