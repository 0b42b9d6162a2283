// Whatever happens to HAProxy, no check fails on the agent's account, and the agent holds
// afterwards what it held before.
import { expect, test } from "bun:test";
import { startAgent } from "../../scripts/lib/agent.ts";
import { startHaproxy } from "../../scripts/lib/haproxy.ts";
import { readUsage } from "../../scripts/lib/proc.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { GROWTH_LIMIT, settle, warmUp } from "./memory.ts";
import { times } from "./scale.ts";

/** Server lines that poll, each every 10 ms. */
const SERVERS = 50;

/** How long each phase polls, and how long HAProxy is away, in milliseconds. */
const POLL_MS = times(5000, 1000);
const AWAY_MS = times(60_000, 2000);

/**
 * HAProxy gives up after 10 ms (agent-inter) while it has not seen the connection open, which the
 * kernel does for the agent: then it was HAProxy that got no time. For the reply it waits 1 s
 * (timeout check).
 */
const STALL = /timeout, check duration: \d\dms/;

test("HAProxy reloaded, restarted, killed and away for a while: no agent check fails", async () => {
  await using agent = await startAgent({ state: { status: "UP", weight: 42 }, env: TUNED });
  await warmUp(agent);
  const before = readUsage(agent.pid);
  const configuration = `backend be
  default-server agent-check agent-addr 127.0.0.1 agent-port ${agent.port} agent-inter 10ms
  server-template s 1-${SERVERS} 127.0.0.1:1
`;
  type Haproxy = Awaited<ReturnType<typeof startHaproxy>>;

  /** How many servers show what the agent said: once at least, or `UP`. */
  const count = async (haproxy: Haproxy, said: string) =>
    (await haproxy.command("show stat")).split(`via agent : ${said}`).length - 1;
  const poll = async (haproxy: Haproxy) => {
    await until("all polled", async () => (await count(haproxy, "")) === SERVERS);
    const end = performance.now() + POLL_MS;
    for (let i = 0; performance.now() < end; i += 1) {
      agent.signal(i % 2 ? "SIGUSR1" : "SIGUSR2");
      await Bun.sleep(100);
    }
    agent.signal("SIGUSR1");
    await until("all told", async () => (await count(haproxy, "UP")) === SERVERS);
    expect(haproxy.failedChecks().filter((line) => !STALL.test(line))).toEqual([]);
  };
  {
    await using haproxy = await startHaproxy(configuration);
    await poll(haproxy);
    await haproxy.reload();
    await poll(haproxy);
  }
  {
    await using haproxy = await startHaproxy(configuration);
    await poll(haproxy);
    haproxy.process.kill("SIGKILL");
    await haproxy.process.exited;
  }
  await Bun.sleep(AWAY_MS);
  await using haproxy = await startHaproxy(configuration);
  await poll(haproxy);

  await haproxy[Symbol.asyncDispose]();
  const after = await settle(agent, before);
  console.log(`HAProxy: RssAnon ${before.memory} -> ${after.memory} kB`);
  expect(after.memory - before.memory).toBeLessThan(GROWTH_LIMIT);

  // An agent that is not there is seen to fail: what was counted above can be counted.
  await agent.stop("SIGKILL");
  await using last = await startHaproxy(configuration);
  await until("failures", () => last.failedChecks().length > 0);
});
