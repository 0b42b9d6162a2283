// What takes a real HAProxy minutes to show of `wait`: a long silence, a slow line, and who is
// forgotten again. The simulator plays the same, and much more, in no time.
import { describe, expect, test } from "bun:test";
import { until } from "../../scripts/lib/until.ts";
import { type HaproxyProcess, startHaproxy } from "../haproxy.ts";
import { checkFrom, listPollers, settled, tell } from "../system/client.ts";
import { configure, startLearning, startTold, statuses } from "../system/told.ts";

/** A HAProxy with one line, which asks from this address. */
function startLine(port: number, interval: string, source: string): Promise<HaproxyProcess> {
  return startHaproxy(configure(port, ["web\\n"], interval, source));
}

describe.concurrent("wait is an error", () => {
  test("70 s after the agent check of a second HAProxy was disabled", async () => {
    await using agent = await startLearning();
    await using one = await startLine(agent.port, "1s", "127.6.2.1");
    await using two = await startLine(agent.port, "1s", "127.6.2.2");
    await settled(agent, 2);
    await until("both are load balancers", async () => {
      return (await listPollers(agent)).every(({ why }) => why === "three checks");
    });
    await two.command("disable agent be0/s");
    await Bun.sleep(70_000);
    await tell(agent, "set status DRAIN");
    expect(await tell(agent, "wait 5")).toMatch(
      /^error: after 5(\.\d)? s: 1 of 2 load balancers does not know: 127\.6\.2\.2 "web" was told ready up 100% \d\d s ago and has not asked since\. If it is gone: hapgent ctl forget 127\.6\.2\.2$/,
    );
    expect([await statuses(one, 1), await statuses(two, 1)]).toEqual([["DRAIN (agent)"], ["UP"]]);
    await tell(agent, "forget 127.6.2.2");
    expect(await tell(agent, "wait 5")).toStartWith("ok served to 1 poller ");
  });

  test("that names a line with agent-inter 2m, once it is known", async () => {
    const names = { HAPGENT_POLLERS: "127.6.2.3 127.6.2.4" };
    await using named = await startTold(names);
    await using unnamed = await startLearning();
    await using _first = await startLine(named.port, "1s", "127.6.2.3");
    await using _second = await startLine(unnamed.port, "1s", "127.6.2.3");
    await using slow = await startLine(named.port, "2m", "127.6.2.4");
    await using slower = await startLine(unnamed.port, "2m", "127.6.2.4");
    const hasAsked = (rows: { address: string; sent: string | null }[]) =>
      rows.some(({ address, sent }) => address === "127.6.2.4" && sent !== null);
    await until("it has asked", async () => hasAsked(await listPollers(named)));
    await tell(named, "set status DRAIN");
    expect(await tell(named, "wait 3")).toContain(' 127.6.2.4 "web" was told ready up 100% ');
    expect(await statuses(slow, 1)).toEqual(["UP"]);
    // Without names it takes three checks.
    const find = async () =>
      (await listPollers(unnamed)).find(({ address }) => address === "127.6.2.4");
    await until("it is known", async () => (await find())?.why === "three checks", 400_000);
    await tell(unnamed, "set status DRAIN");
    expect(await tell(unnamed, "wait 3")).toMatch(
      / 127\.6\.2\.4 "web" was told ready up 100% .*asks every 1[12]\d s: use `wait 1[345]\d`\. /,
    );
    expect(await statuses(slower, 1)).toEqual(["UP"]);
  });
});

test.concurrent("wait is ok a minute after a person and a port scan, so soon after a start", async () => {
  await using agent = await startLearning();
  await using haproxy = await startLine(agent.port, "1s", "127.6.2.5");
  await settled(agent, 1);
  const strangers = Array.from({ length: 20 }, (_, i) => checkFrom(`127.6.3.${i + 1}`, agent));
  await Promise.all(strangers);
  await tell(agent, "set status DRAIN");
  expect(await tell(agent, "wait 5")).toMatch(/ 20 of 21 load balancers do not know: /);
  expect(await tell(agent, "wait 90")).toStartWith("ok served to 1 poller ");
  expect(await statuses(haproxy, 1)).toEqual(["DRAIN (agent)"]);
});
