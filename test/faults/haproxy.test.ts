// Whatever happens to HAProxy, with 50 server lines that ask every 10 ms, no check fails on the agent's
// account.
import { expect, test } from "bun:test";
import { startAgent } from "../../scripts/lib/agent.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { type HaproxyProcess, startHaproxy } from "../haproxy.ts";
import { times } from "./scale.ts";

const SERVERS = 50;

/** Changes in each phase, of which all lines are told each. */
const CHANGES = times(100, 10);

/**
 * HAProxy gives up after 10 ms (agent-inter) while it has not seen the connection open, which the
 * kernel does for the agent: then it was HAProxy that got no time. For the reply it waits 10 s.
 */
const STALL = /Layer4 timeout/;

test("HAProxy reloaded, killed and started anew: no agent check fails", async () => {
  await using agent = await startAgent({ state: { status: "UP", weight: 42 }, env: TUNED });
  const configuration = `backend be
  default-server agent-check agent-addr 127.0.0.1 agent-port ${agent.port} agent-inter 10ms
  server-template s 1-${SERVERS} 127.0.0.1:1
`;
  const change = async (haproxy: HaproxyProcess) => {
    for (let i = 0; i < CHANGES; i += 1) {
      const [signal, status] =
        i % 2 ? (["SIGUSR1", "UP"] as const) : (["SIGUSR2", "DOWN"] as const);
      agent.signal(signal);
      const told = () =>
        until(`all are told ${status}`, async () => {
          const shown = await haproxy.command("show stat");
          return shown.split(`via agent : ${status}`).length - 1 === SERVERS;
        });
      // One that was kept from running while it started may check nobody (seen with 2.6.12).
      await told().catch(async () => {
        await haproxy.reload();
        await told();
      });
    }
    expect(haproxy.failedChecks().filter((line) => !STALL.test(line))).toEqual([]);
  };
  {
    await using haproxy = await startHaproxy(configuration);
    await change(haproxy);
    await haproxy.reload();
    await change(haproxy);
    haproxy.process.kill("SIGKILL");
    await haproxy.process.exited;
  }
  await using haproxy = await startHaproxy(configuration);
  await change(haproxy);
  // An agent that is not there is seen to fail: what was counted above can be counted.
  await agent.stop("SIGKILL");
  await until("failures", () => haproxy.failedChecks().length > 0);
});
