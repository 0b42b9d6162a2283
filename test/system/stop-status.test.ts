// - After SIGTERM every known poller is served the stop status before the agent ends, unless the
//   grace is over first.
// - A service that stops after its agent fails no request.
// - The state that is saved is never the stop status.
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { type AgentProcess, startAgent } from "../../scripts/lib/agent.ts";
import { startHaproxy } from "../../scripts/lib/haproxy.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { formatState, type State } from "../../src/state/state.ts";
import { askFrom, QUIET } from "./client.ts";
import { startService, Traffic, twoServers } from "./traffic.ts";

/** An agent that says DOWN for so many seconds before it stops, and that 127.0.0.2 has asked. */
async function startPolled(
  grace: number,
  env: Record<string, string> = {},
  state: State = { status: "UP", weight: 50 },
): Promise<AgentProcess> {
  const stopStatus = { HAPGENT_STOP_STATUS: "DOWN", HAPGENT_STOP_GRACE: String(grace) };
  const agent = await startAgent({
    state,
    socket: true,
    hostname: QUIET,
    env: { ...TUNED, HAPGENT_REPLY: "exact", ...stopStatus, ...env },
  });
  await askFrom("127.0.0.2", agent);
  return agent;
}

/** Milliseconds until the agent has ended, which must be with exit code 0. */
async function timeToEnd(agent: AgentProcess): Promise<number> {
  const start = performance.now();
  expect(await agent.process.exited).toBe(0);
  return performance.now() - start;
}

describe.concurrent("the stop status", () => {
  test.each(["SIGTERM", "SIGINT"] as const)(
    "is answered after %s, and is over once the last poller has heard it",
    async (signal) => {
      // Younger than 10 s it does not know all pollers yet.
      const start = performance.now();
      await using agent = await startPolled(60);
      await askFrom("127.0.0.3", agent);
      const file = agent.file();
      agent.signal(signal);
      await agent.logs(/stop status/);
      expect(await askFrom("127.0.0.3", agent)).toBe("DOWN 50%\n");
      for (let i = 0; i < 20; i += 1) {
        expect(await askFrom("127.0.0.3", agent)).toBe("DOWN 50%\n");
      }
      expect(await askFrom("127.0.0.2", agent)).toBe("DOWN 50%\n");
      await timeToEnd(agent);
      expect(performance.now() - start).toBeWithin(9000, 30_000);
      expect(agent.file()).toBe(file);
      expect(agent.log.slice(2)).toEqual([
        `hapgent: stopping cause=${signal}`,
        'hapgent: stop status reply="DOWN 50%" seconds=60',
      ]);
    },
  );

  test("is over after the grace when a poller does not come, and then silent", async () => {
    await using agent = await startPolled(2);
    agent.signal("SIGTERM");
    const start = performance.now();
    await agent.logs(/stop status/);
    while (performance.now() - start < 1500) expect(await agent.ask()).toBe("DOWN 50%\n");
    await timeToEnd(agent);
    expect(performance.now() - start).toBeWithin(2000, 3500);
    await expect(agent.ask()).rejects.toThrow();
  });

  test("has a default of 10 s", async () => {
    const env = { ...TUNED, HAPGENT_STOP_STATUS: "DOWN" };
    await using agent = await startAgent({ state: { status: "UP" }, env });
    await agent.ask();
    agent.signal("SIGTERM");
    expect(await agent.logs(/stop status/)).toBe(
      'hapgent: stop status reply="ready down 100%" seconds=10',
    );
  });

  test.each<[string, State["status"], boolean]>([
    ["nobody has asked", "UP", false],
    ["the pollers have heard it before", "DOWN", true],
  ])("is over as soon as the agent knows its pollers when %s", async (_, status, isPolled) => {
    const env = { ...TUNED, HAPGENT_STOP_STATUS: "DOWN", HAPGENT_STOP_GRACE: "60" };
    const start = performance.now();
    await using agent = await startAgent({ state: { status }, hostname: QUIET, env });
    if (isPolled) await agent.ask();
    agent.signal("SIGTERM");
    await timeToEnd(agent);
    expect(performance.now() - start).toBeWithin(9000, 30_000);
  });

  test.each(["SIGTERM", "SIGINT"] as const)(
    "is over at once at a second signal, %s",
    async (signal) => {
      await using agent = await startPolled(60);
      agent.signal("SIGTERM");
      await agent.logs(/stop status/);
      expect(await agent.ask()).toBe("DOWN 50%\n");
      agent.signal(signal);
      expect(await timeToEnd(agent)).toBeLessThan(1500);
    },
  );

  test("is answered whatever the state becomes; that is saved for the next start", async () => {
    await using agent = await startPolled(60, { HAPGENT_WATCH: "on" });
    agent.signal("SIGTERM");
    await agent.logs(/stop status/);
    expect(await agent.ask()).toBe("DOWN 50%\n");

    agent.signal("SIGUSR1");
    await agent.logs(/cause=SIGUSR1/);
    await until("saved", () => agent.file() === formatState({ status: "UP", weight: 50 }));
    expect(await agent.ask()).toBe("DOWN 50%\n");

    agent.change({ status: "READY", weight: 60 });
    await agent.logs(/cause=SIGHUP/);
    expect(await agent.ask()).toBe("DOWN 60%\n");

    // In watch mode too.
    writeFileSync(agent.stateFile, '{"status":"DRAIN","weight":7}');
    expect(await agent.ask()).toBe("DOWN 7%\n");

    expect((await agent.ctl("set", "status", "MAINT")).stdout).toBe("ok saved: DOWN 7%\n");
    expect(agent.file()).toBe(formatState({ status: "MAINT", weight: 7 }));
    expect((await agent.ctl("show", "state")).stdout).toBe(
      '{"state":{"status":"MAINT","weight":7},"reply":"DOWN 7%"}\n',
    );
    agent.signal("SIGUSR2");
    await until("saved", () => agent.file() === formatState({ status: "DOWN", weight: 7 }));
    agent.signal("SIGUSR1");
    await until("saved", () => agent.file() === formatState({ status: "UP", weight: 7 }));

    // 127.0.0.1 has heard it, 127.0.0.2 not yet.
    expect((await agent.ctl("wait", "0")).stderr).toMatch(
      /^error: .* to 1 of 2: 127\.0\.0\.2 \(told UP 50%, /,
    );
    await askFrom("127.0.0.2", agent);
    await timeToEnd(agent);
    expect(agent.file()).toBe(formatState({ status: "UP", weight: 7 }));
    await using next = await startAgent({ stateFile: agent.stateFile, env: TUNED });
    expect(await next.ask()).toBe("UP 7%\n");
  });

  test("drops the reason of the state, and is whole with HAPGENT_REPLY=full", async () => {
    const env = { HAPGENT_REPLY: "full", HAPGENT_STOP_STATUS: "DRAIN" };
    await using agent = await startPolled(60, env, { status: "UP", reason: "as ever" });
    expect(await agent.ask()).toBe("ready up 100% #as ever\n");
    agent.signal("SIGTERM");
    await agent.logs(/stop status/);
    expect(await agent.ask()).toBe("up drain 100%\n");
  });
});

describe.concurrent("a service that is stopped after its agent", () => {
  test.each(["DOWN", "DRAIN", "MAINT"])(
    "fails no request after a stop status (%s)",
    async (status) => {
      const answers = await stopBoth({ HAPGENT_STOP_STATUS: status });
      expect(new Set(Object.keys(answers))).toEqual(new Set(["other", "s"]));
    },
  );

  test("fails requests without one", async () => {
    expect(await stopBoth({})).toHaveProperty("HTTP 503");
  });
});

/** Stops an agent and then its service, one of two behind HAProxy, under 100 requests a second. */
async function stopBoth(stopStatus: Record<string, string>): Promise<Traffic["answers"]> {
  await using agent = await startAgent({
    state: { status: "UP" },
    env: { ...TUNED, ...stopStatus },
  });
  await using service = startService("s");
  await using other = startService("other");
  await using haproxy = await startHaproxy(twoServers(agent.port, service.port, other.port));
  await haproxy.shows({ agent_status: "L7OK" });
  await using traffic = new Traffic(haproxy);
  await until("both serve", () => traffic.by("s") > 20 && traffic.by("other") > 20);
  expect(await agent.stop()).toBe(0);
  await service.stop();
  const before = traffic.by("other");
  await until("the other has served on", () => traffic.by("other") > before + 50);
  return (await traffic.stop()).answers;
}
