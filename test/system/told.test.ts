// What `wait` says is what every line of every HAProxy shows; each of these shapes was once told wrong.
// HAProxy itself is the judge here; the simulator plays who is a load balancer and who is not.
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { ask } from "../contract/driver.ts";
import { type HaproxyProcess, startHaproxy } from "../haproxy.ts";
import { listPollers, settled, tell } from "./client.ts";
import { startLink } from "./link.ts";
import { configure, startLearning, startTold, statuses } from "./told.ts";

/** An address of a load balancer, and one of somebody else. */
const BALANCER = "127.6.0.1";
const STRANGER = "127.6.0.9";

describe.concurrent("when wait is ok", () => {
  test.each([
    ["that differ", ["web\\n", "api\\n"], 2],
    ["that are the same", ["web\\n", "web\\n"], 1],
    ["that are none", ["\\n", "\\n", "\\n"], 1],
  ])("all lines of one HAProxy know, with agent-sends %s", async (_, sends, pollers) => {
    await using agent = await startTold();
    await using haproxy = await startHaproxy(configure(agent.port, sends));
    await settled(agent, pollers);
    for (const [status, shown] of [
      ["DRAIN", "DRAIN (agent)"],
      ["READY", "UP"],
    ] as const) {
      await tell(agent, `set status ${status}`);
      const served = pollers === 1 ? "1 poller" : `all of ${pollers} pollers`;
      expect(await tell(agent, "wait 60")).toStartWith(`ok served to ${served} after `);
      expect(await statuses(haproxy, sends.length)).toEqual(sends.map(() => shown));
    }
  });

  test("lines know that the agent has to learn after its start, where nobody is named", async () => {
    await using agent = await startLearning();
    await using haproxy = await startHaproxy(configure(agent.port, ["web\\n", "api\\n"]));
    await tell(agent, "set status DRAIN");
    expect(await tell(agent, "wait 0")).toStartWith("error: ");
    expect(await tell(agent, "wait 60")).toStartWith("ok ");
    expect(await statuses(haproxy, 2)).toEqual(["DRAIN (agent)", "DRAIN (agent)"]);
  });

  test("load balancers know, and people, monitors and port scans hold up nobody", async () => {
    await using agent = await startTold({ HAPGENT_POLLERS: BALANCER });
    const { port, hostname: host } = agent;
    await using haproxy = await startHaproxy(configure(port, ["web\\n"], "1s", BALANCER));
    const monitor = setInterval(
      () => void ask(agent, "monitor\n", STRANGER).catch(() => undefined),
      500,
    );
    try {
      await settled(agent, 1);
      // Closed as soon as it is open, with nothing read.
      const scan = connect({ port, host, localAddress: STRANGER }, () => scan.end());
      scan.resume().on("error", () => undefined);
      await tell(agent, "set status DRAIN");
      expect(await tell(agent, "wait 60")).toStartWith("ok served to 1 poller after ");
      expect(await statuses(haproxy, 1)).toEqual(["DRAIN (agent)"]);
      const strangers = (await listPollers(agent)).filter(({ why }) => why === "stranger");
      expect(strangers).toContainEqual(expect.objectContaining({ address: STRANGER }));
    } finally {
      clearInterval(monitor);
    }
  });
});

describe.concurrent("wait is an error", () => {
  test("while a HAProxy stands still that was told something else", async () => {
    await using agent = await startTold();
    await using haproxy = await startHaproxy(configure(agent.port, ["web\\n"]));
    await settled(agent, 1);
    const processes = [haproxy.process.pid, ...(await workers(haproxy))];
    for (const pid of processes) process.kill(pid, "SIGSTOP");
    await tell(agent, "set status DRAIN");
    expect(await tell(agent, "wait 3")).toMatch(
      /^error: after 3(\.\d)? s: 1 of 1 load balancer does not know: 127\.0\.0\.1 "web" was told ready up 100% /,
    );
    for (const pid of processes.toReversed()) process.kill(pid, "SIGCONT");
    expect(await tell(agent, "wait 60")).toStartWith("ok ");
    expect(await statuses(haproxy, 1)).toEqual(["DRAIN (agent)"]);
  });

  test("while a line of before a reload of HAProxy is required, until it is forgotten", async () => {
    await using agent = await startTold({ HAPGENT_REPLY: "exact" });
    await using haproxy = await startHaproxy(configure(agent.port, ["web\\n", "api\\n"]));
    await settled(agent, 2);
    const changed = configure(agent.port, ["web\\n", "new\\n"]);
    writeFileSync(`${haproxy.directory.path}/haproxy.cfg`, changed);
    await haproxy.reload();
    await settled(agent, 3);
    await tell(agent, "set status DRAIN");
    expect(await tell(agent, "wait 5")).toMatch(/^error: .* 127\.0\.0\.1 "api" was told UP /);
    await tell(agent, "forget 127.0.0.1");
    expect(await tell(agent, "wait 60")).toStartWith("ok ");
    expect(await statuses(haproxy, 2)).toEqual(["DRAIN (agent)", "DRAIN (agent)"]);
  });

  test("while it is lost that a reply was read", async () => {
    await using agent = await startTold();
    using link = startLink(agent);
    await using haproxy = await startHaproxy(
      configure(link.port, ["web\\n"], "1s").replace("server", "timeout check 3s\n$&"),
    );
    await settled(agent, 1);
    await tell(agent, "set status DRAIN");
    expect(await tell(agent, "wait 60")).toStartWith("ok ");
    link.treat("cut");
    await tell(agent, "set status READY");
    link.treat("endless");
    await haproxy.shows({ status: "UP" }, "be0/s");
    await tell(agent, "set status DRAIN");
    expect(await tell(agent, "wait 10")).toMatch(
      /^error: .* 127.0.0.1 "web" was told up drain 100% .*, and has perhaps heard /,
    );
    expect(await statuses(haproxy, 1)).toEqual(["UP"]);
    link.treat("pass");
    expect(await tell(agent, "wait 60")).toStartWith("ok ");
    expect(await statuses(haproxy, 1)).toEqual(["DRAIN (agent)"]);
  });
});

/** The processes of a HAProxy that ask agents. */
async function workers({ process: { pid } }: HaproxyProcess): Promise<number[]> {
  const children = await Bun.file(`/proc/${pid}/task/${pid}/children`).text();
  return children.trim().split(/\s+/).map(Number);
}
