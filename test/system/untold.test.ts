// While a line of a HAProxy may not know, `wait` is an error, and says which: each of these was once
// ok. What HAProxy itself shows is the judge.
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { until } from "../../scripts/lib/until.ts";
import { type HaproxyProcess, startHaproxy } from "../haproxy.ts";
import { settled, tell } from "./client.ts";
import { configure, served, startTold, statuses } from "./told.ts";

describe.concurrent("wait is an error", () => {
  test("when the agent check of a second HAProxy was disabled before", async () => {
    const [first, second] = ["127.6.1.1", "127.6.1.2"];
    await using agent = await startTold({ HAPGENT_POLLERS: `${first} ${second}` });
    await using one = await startHaproxy(configure(agent.port, ["web\\n"], "1s", first));
    await using two = await startHaproxy(configure(agent.port, ["web\\n"], "1s", second));
    await settled(agent, 2);
    await two.command("disable agent be0/s");
    await Bun.sleep(3000);
    await tell(agent, "set status DRAIN");
    expect(await tell(agent, "wait 3")).toMatch(
      /^error: after 3(\.\d)? s: 1 of 2 load balancers does not know: 127\.6\.1\.2 "web" was told ready up 100% [\d.]+ s ago and has not asked since\. If it is gone: hapgent ctl forget 127\.6\.1\.2$/,
    );
    expect([...(await statuses(one, 1)), ...(await statuses(two, 1))]).toEqual([
      "DRAIN (agent)",
      "UP",
    ]);
    await two.command("enable agent be0/s");
    expect(await tell(agent, "wait 60")).toStartWith("ok served to all of 2 pollers ");
    expect(await statuses(two, 1)).toEqual(["DRAIN (agent)"]);
  });

  test("after a restart, while a named one that asks every 20 s has not asked again", async () => {
    await using first = await startTold();
    await using haproxy = await startHaproxy(configure(first.port, ["web\\n"], "20s"));
    // A check that the end of the agent cuts off would be made again at once.
    await served(first, 1);
    await first.stop("SIGKILL");
    const { stateFile, port } = first;
    await using next = await startTold({ HAPGENT_PORT: String(port) }, { stateFile });
    await tell(next, "set status DRAIN");
    expect(await tell(next, "wait 2")).toMatch(/ 127\.0\.0\.1 has never asked\. If it is gone: /);
    expect(await statuses(haproxy, 1)).toEqual(["UP"]);
  });

  test("while a HAProxy stands still that was told something else", async () => {
    await using agent = await startTold();
    await using haproxy = await startHaproxy(configure(agent.port, ["web\\n"]));
    await served(agent, 1);
    // Told twice, it is known to have no other line.
    await until("two checks", async () => {
      return JSON.parse((await agent.ctl("show pollers")).stdout)[0].interval !== null;
    });
    const processes = [haproxy.process.pid, ...(await workers(haproxy))];
    for (const pid of processes) process.kill(pid, "SIGSTOP");
    await agent.ctl("set", "status", "DRAIN");
    expect((await agent.ctl("wait", "3")).stderr).toMatch(
      /^error: after 3(\.\d)? s: 1 of 1 load balancer does not know: 127\.0\.0\.1 "web" was told ready up 100% /,
    );
    for (const pid of processes.toReversed()) process.kill(pid, "SIGCONT");
    expect(await agent.ctl("wait", "60")).toMatchObject({ exitCode: 0 });
    expect(await statuses(haproxy, 1)).toEqual(["DRAIN (agent)"]);
  });

  test("while a line of before a reload of HAProxy is required, until it is forgotten", async () => {
    await using agent = await startTold({ HAPGENT_REPLY: "exact" });
    await using haproxy = await startHaproxy(configure(agent.port, ["web\\n", "api\\n"]));
    await served(agent, 2);
    const changed = configure(agent.port, ["web\\n", "new\\n"]);
    writeFileSync(`${haproxy.directory.path}/haproxy.cfg`, changed);
    await haproxy.reload();
    await served(agent, 3);
    await agent.ctl("set", "status", "DRAIN");
    expect((await agent.ctl("wait", "5")).stderr).toMatch(/ 127\.0\.0\.1 "api" was told UP /);
    await agent.ctl("forget", "127.0.0.1");
    expect(await agent.ctl("wait", "60")).toMatchObject({ exitCode: 0 });
    expect(await statuses(haproxy, 2)).toEqual(["DRAIN (agent)", "DRAIN (agent)"]);
  });
});

/** The processes of a HAProxy that ask agents. */
async function workers({ process: { pid } }: HaproxyProcess): Promise<number[]> {
  const children = await Bun.file(`/proc/${pid}/task/${pid}/children`).text();
  return children.trim().split(/\s+/).map(Number);
}
