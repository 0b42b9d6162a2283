// A service that stops after its agent fails no request: every load balancer has been told before.
import { describe, expect, test } from "bun:test";
import { startLab } from "./deploy-lab.ts";
import { Traffic } from "./traffic.ts";

describe.concurrent("a service that is stopped after its agent", () => {
  test.each(["DOWN", "DRAIN", "MAINT"])(
    "fails no request after a stop status (%s)",
    async (status) => {
      const env = { HAPGENT_STOP_STATUS: status, HAPGENT_STOP_GRACE: "60" };
      expect(await stopBoth(env)).toEqual({});
    },
  );

  test("fails requests without one", async () => {
    expect(await stopBoth({})).toHaveProperty("HTTP 503");
  });
});

/** Stops an agent and then its service, one of two; returns the requests that failed. */
async function stopBoth(env: Record<string, string>): Promise<Traffic["failed"]> {
  await using lab = await startLab({ hosts: ["one", "two"], env });
  await using traffic = new Traffic(lab.balancers);
  for (const host of lab.hosts) await traffic.served(host);
  expect(await lab.host.agent.stop()).toBe(0);
  await lab.host.stop();
  await traffic.served({ name: "two" }, 50);
  return (await traffic.stop()).failed;
}
