// Over a link that loses packets or is cut, `wait` is ok only when HAProxy has read the reply: both of
// these were once told wrong. HAProxy itself is the judge here; the simulator plays slow links, too.
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

/** An agent and a HAProxy that asks it every second, at the two ends of a link, all told UP. */
async function startEnds(): Promise<Ends> {
  await using stack = new AsyncDisposableStack();
  const link = stack.use(await startLink());
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
backend be
  timeout check 1s
  server s unix@service.sock weight 100 check inter 1s agent-check agent-inter 1s \
    agent-addr ${LINK_AGENT} agent-port ${agent.port} agent-send "web\\n"
`;
  const haproxy = stack.use(await startHaproxy(configuration, [...link.haproxy, "haproxy", "-W"]));
  await settled(agent, 1);
  const ends = stack.move();
  return { link, agent, haproxy, [Symbol.asyncDispose]: () => ends.disposeAsync() };
}

/** Drains the server, and waits for so many seconds. */
async function drain(agent: AgentProcess, seconds: number): Promise<string> {
  await tell(agent, "set status DRAIN");
  return await tell(agent, `wait ${seconds}`);
}

describe.concurrent("wait is an error", () => {
  test("when HAProxy has read READY, the end of that connection was lost and the link is cut", async () => {
    await using ends = await startEnds();
    const { link, agent, haproxy } = ends;
    expect(await drain(agent, 30)).toStartWith("ok served to 1 poller ");
    await link.treat("cut");
    await tell(agent, "set status READY");
    // The end that is lost may be that of a check which was under way before.
    await until("HAProxy has read READY", async () => {
      await link.treat("endless");
      const isUp = async () => (await haproxy.server()).status === "UP";
      return await until("it is UP", isUp, 3000).catch(() => false);
    });
    expect(await drain(agent, 4)).toMatch(
      /^error: after 4(\.\d)? s: 1 of 1 load balancer does not know: 10\.9\.0\.2 "web" was told up drain 100% .*, and has perhaps heard (up drain 100% or )?ready up 100% /,
    );
    expect((await haproxy.server()).status).toBe("UP");
    await link.treat("pass");
    expect(await drain(agent, 60)).toStartWith("ok served to 1 poller ");
    expect((await haproxy.server()).status).toBe("DRAIN (agent)");
  });

  test("while all data is lost", async () => {
    await using ends = await startEnds();
    const { link, agent, haproxy } = ends;
    await link.treat("deaf");
    expect(await drain(agent, 5)).toMatch(
      /^error: after 5(\.\d)? s: 1 of 1 load balancer does not know: 10\.9\.0\.2 "web" was told ready up 100% /,
    );
    expect((await haproxy.server()).status).toBe("UP");
  });
});
