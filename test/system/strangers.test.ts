// Who is no load balancer does not hold up a wait, and none of them makes it ok.
import { describe, expect, test } from "bun:test";
import { connect } from "node:net";
import type { AgentProcess } from "../../scripts/lib/agent.ts";
import { startHaproxy } from "../haproxy.ts";
import { checkFrom, listPollers, settled, tell } from "./client.ts";
import { configure, HOST, startLearning, startTold } from "./told.ts";

/** The load balancer's address, and that of everybody else. */
const BALANCER = "127.6.0.1";
const STRANGER = "127.6.0.9";

/** A HAProxy with four lines of one agent. */
function startLines(port: number) {
  const sends = Array.from({ length: 4 }, (_, i) => `web ${i}\\n`);
  return startHaproxy(configure(port, sends, "1s", BALANCER));
}

/** Connects, and closes as soon as that has succeeded, with nothing read. */
function scan({ port, hostname }: AgentProcess, localAddress = STRANGER): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = connect({ port, host: hostname, localAddress }, () => socket.end());
  socket.resume().on("close", () => resolve());
  return promise;
}

describe.concurrent("wait is ok", () => {
  test("beside a person, a monitor and a port scan, where names say who counts", async () => {
    await using agent = await startTold({ HAPGENT_POLLERS: BALANCER });
    await using haproxy = await startLines(agent.port);
    const monitor = setInterval(() => void checkFrom(STRANGER, agent, "monitor\n"), 1000);
    try {
      await settled(agent, 4);
      expect(await checkFrom("127.6.0.8", agent)).toBe("ready up 100%\n");
      await Promise.all(Array.from({ length: 20 }, () => scan(agent)));
      await tell(agent, "set status DRAIN");
      expect(await tell(agent, "wait 30")).toStartWith("ok served to all of 4 pollers after ");
      expect((await haproxy.server("be3/s")).status).toBe("DRAIN (agent)");
      const strangers = (await listPollers(agent)).filter(({ why }) => why === "stranger");
      expect(strangers.map(({ address }) => address)).toEqual(
        expect.arrayContaining(["127.6.0.8", STRANGER]),
      );
    } finally {
      clearInterval(monitor);
    }
  });

  test("beside a monitor that asks every two seconds, without names", async () => {
    await using agent = await startLearning();
    await using haproxy = await startLines(agent.port);
    const monitor = setInterval(() => void checkFrom(STRANGER, agent, "monitor\n"), 2000);
    try {
      await settled(agent, 5);
      await tell(agent, "set status DRAIN");
      expect(await tell(agent, "wait 60")).toStartWith("ok served to all of 5 pollers after ");
      expect((await haproxy.server("be0/s")).status).toBe("DRAIN (agent)");
    } finally {
      clearInterval(monitor);
    }
  });

  test.each([
    ["another address", STRANGER],
    ["the load balancer's address", BALANCER],
  ])("after 400 silent connections of %s", async (_, localAddress) => {
    await using agent = await startTold({ HAPGENT_POLLERS: BALANCER });
    await using haproxy = await startLines(agent.port);
    await settled(agent, 4);
    const silent = Array.from({ length: 400 }, () =>
      connect({ port: agent.port, host: HOST, localAddress, allowHalfOpen: true }),
    );
    for (const each of silent) each.resume().on("error", () => undefined);
    await Bun.sleep(6000);
    for (const each of silent) each.destroy();
    await tell(agent, "set status DRAIN");
    expect(await tell(agent, "wait 30")).toStartWith("ok served to all of 4 pollers after ");
    expect((await haproxy.server("be2/s")).status).toBe("DRAIN (agent)");
  });
});

test("nobody has asked, though the load balancer's address was used for a port scan", async () => {
  await using agent = await startTold({ HAPGENT_POLLERS: BALANCER });
  for (let i = 0; i < 3; i += 1) await scan(agent, BALANCER);
  expect(await tell(agent, "wait 1")).toMatch(
    /^error: after 1(\.\d)? s: 1 of 1 load balancer does not know: 127\.6\.0\.1 has (never asked|asked only once)/,
  );
});
