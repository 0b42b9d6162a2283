// What takes a real HAProxy minutes to show of `wait`: strangers that are forgotten again, a long
// silence, and a slow line. The simulator plays the same, and much more, in no time.
import { expect, test } from "bun:test";
import { until } from "../../scripts/lib/until.ts";
import { ask } from "../contract/driver.ts";
import { type HaproxyProcess, startHaproxy } from "../haproxy.ts";
import { listPollers, settled, tell } from "../system/client.ts";
import { configure, startLearning, statuses } from "../system/told.ts";

/** A HAProxy with one line, which asks from this address. */
function startLine(port: number, interval: string, source: string): Promise<HaproxyProcess> {
  return startHaproxy(configure(port, ["web\\n"], interval, source));
}

test("wait is ok once strangers are forgotten, and never while a load balancer is silent or slow", async () => {
  await using agent = await startLearning();
  await using one = await startLine(agent.port, "1s", "127.6.2.1");
  await using two = await startLine(agent.port, "1s", "127.6.2.2");
  await settled(agent, 2);
  // A port scan soon after the start: each may yet be a load balancer.
  const scan = Array.from({ length: 20 }, (_, i) => ask(agent, "", `127.6.3.${i + 1}`));
  await Promise.all(scan);
  await tell(agent, "set status DRAIN");
  expect(await tell(agent, "wait 5")).toMatch(/ 20 of 22 load balancers do not know: /);
  expect(await tell(agent, "wait 300")).toStartWith("ok served to all of 2 pollers ");
  const shown = async () => [await statuses(one, 1), await statuses(two, 1)].flat();
  expect(await shown()).toEqual(["DRAIN (agent)", "DRAIN (agent)"]);

  await tell(agent, "set status READY");
  expect(await tell(agent, "wait 60")).toStartWith("ok ");
  await two.command("disable agent be0/s");
  await using slow = await startLine(agent.port, "2m", "127.6.2.3");
  // Which takes three checks: minutes in which the second one is silent.
  const isKnown = async () =>
    (await listPollers(agent)).some(
      ({ address, why }) => address === "127.6.2.3" && why === "three checks",
    );
  await until("the slow line is known", isKnown, 600_000);
  await tell(agent, "set status DRAIN");
  const said = await tell(agent, "wait 5");
  expect(said).toContain(": 2 of 3 load balancers do not know: ");
  expect(said).toMatch(/127\.6\.2\.2 "web" was told ready up 100% \d{3} s ago and has not asked/);
  expect(said).toMatch(/127\.6\.2\.3 "web" was told .*asks every 1\d\d s: use `wait 1\d\d`/);
  expect([...(await shown()), ...(await statuses(slow, 1))]).toEqual(["DRAIN (agent)", "UP", "UP"]);
  await tell(agent, "forget 127.6.2.2");
  await tell(agent, "forget 127.6.2.3");
  expect(await tell(agent, "wait 60")).toStartWith("ok served to 1 poller ");
});
