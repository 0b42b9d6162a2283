// A service that stops after its agent fails no request: every load balancer has been told before.
import { describe, expect, test } from "bun:test";
import { startAgent } from "../../scripts/lib/agent.ts";
import { startHaproxy } from "../../scripts/lib/haproxy.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { startService, Traffic, twoServers } from "./traffic.ts";

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
    env: { ...TUNED, HAPGENT_POLLERS: "127.0.0.1", ...stopStatus },
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
