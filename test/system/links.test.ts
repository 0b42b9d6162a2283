// Over a link that is slow, loses packets or is cut, `wait` is ok only when HAProxy has read the
// reply: each of these was once told wrong. What HAProxy itself shows is the judge.
import { describe, expect, test } from "bun:test";
import { type AgentProcess, startAgent } from "../../scripts/lib/agent.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { type HaproxyProcess, startHaproxy } from "../haproxy.ts";
import { settled, tell } from "./client.ts";
import { LINK_AGENT, LINK_HAPROXY, type Link, startLink } from "./link.ts";

interface Ends extends AsyncDisposable {
  readonly link: Link;
  readonly agent: AgentProcess;
  readonly haproxy: HaproxyProcess;
}

/**
 * An agent and a HAProxy that asks it every so often, at the two ends of a link. That is also the
 * time that a check may take, from its first packet on; with `timeout` that begins later.
 */
async function startEnds(interval: string, { trip = 0, timeout = "" } = {}): Promise<Ends> {
  await using stack = new AsyncDisposableStack();
  const link = stack.use(await startLink(trip));
  const agent = stack.use(
    await startAgent({
      state: { status: "UP" },
      socket: true,
      hostname: "0.0.0.0",
      launcher: [...link.agent],
      env: { ...TUNED, HAPGENT_POLLERS: LINK_HAPROXY, HAPGENT_REPLY: "full" },
    }),
  );
  const configuration = `
defaults
  timeout connect 5s
  timeout server 30s
  ${timeout && `timeout check ${timeout}`}
backend be
  server s unix@service.sock weight 100 check inter 1s agent-check agent-inter ${interval} \
    agent-addr ${LINK_AGENT} agent-port ${agent.port} agent-send "web\\n"
`;
  const haproxy = stack.use(await startHaproxy(configuration, [...link.haproxy, "haproxy", "-W"]));
  const ends = stack.move();
  return { link, agent, haproxy, [Symbol.asyncDispose]: () => ends.disposeAsync() };
}

/** Changes the status and waits; both are the agent's business, not the link's. */
async function change(agent: AgentProcess, status: string, seconds: number): Promise<string> {
  await tell(agent, `set status ${status}`);
  return await tell(agent, `wait ${seconds}`);
}

describe.concurrent("wait is an error", () => {
  test("when HAProxy has read READY, the end of that connection was lost and the link is cut", async () => {
    await using ends = await startEnds("1s");
    const { link, agent, haproxy } = ends;
    await settled(agent, 1);
    expect(await change(agent, "DRAIN", 30)).toStartWith("ok served to 1 poller ");
    await link.treat("cut");
    await tell(agent, "set status READY");
    // The end that is lost may be that of a check which was under way before.
    await until("HAProxy has read READY", async () => {
      await link.treat("endless");
      const isUp = async () => (await haproxy.server()).status === "UP";
      return await until("it is UP", isUp, 3000).catch(() => false);
    });
    expect(await change(agent, "DRAIN", 4)).toMatch(
      /^error: after 4(\.\d)? s: 1 of 1 load balancer does not know: 10\.9\.0\.2 "web" was told up drain 100% .*, and has perhaps heard (up drain 100% or )?ready up 100% /,
    );
    expect((await haproxy.server()).status).toBe("UP");
    await link.treat("pass");
    expect(await change(agent, "DRAIN", 60)).toStartWith("ok served to 1 poller ");
    expect((await haproxy.server()).status).toBe("DRAIN (agent)");
  });

  test.each([
    ["100ms", ""],
    ["200ms", ""],
    ["1s", "200ms"],
  ])("while all data is lost, agent-inter %s, timeout check %j", async (interval, timeout) => {
    await using ends = await startEnds(interval, { timeout });
    const { link, agent, haproxy } = ends;
    await settled(agent, 1);
    await link.treat("deaf");
    expect(await change(agent, "DRAIN", 5)).toMatch(
      /^error: after 5(\.\d)? s: 1 of 1 load balancer does not know: 10\.9\.0\.2 "web" was told ready up 100% .*, and has perhaps heard (ready up 100% or )?up drain 100% /,
    );
    expect((await haproxy.server()).status).toBe("UP");
  });

  test("where the round trip of 80 ms leaves a check of 100 ms no time", async () => {
    await using ends = await startEnds("100ms", { trip: 40 });
    const { agent, haproxy } = ends;
    const answer = await change(agent, "DRAIN", 5);
    // A HAProxy that gets no time from its machine reads the reply all the same.
    const hasRead = (await haproxy.server()).status === "DRAIN (agent)";
    expect(answer).toMatch(hasRead ? /^(ok|error) / : /^error: after 5(\.\d)? s: 1 of 1 load /);
  });
});

test("wait is ok where the round trip of 80 ms leaves a check the time", async () => {
  await using ends = await startEnds("1s", { trip: 40 });
  const { agent, haproxy } = ends;
  await settled(agent, 1);
  expect(await change(agent, "DRAIN", 60)).toStartWith("ok served to 1 poller ");
  expect((await haproxy.server()).status).toBe("DRAIN (agent)");
});
