// What `wait` says is what every line of a HAProxy shows; each of these shapes was once told wrong.
// HAProxy itself is the judge here; the simulator plays who is a load balancer and who is not.
import { describe, expect, test } from "bun:test";
import { type AgentProcess, startAgent } from "../../scripts/lib/agent.ts";
import { type HaproxyProcess, startHaproxy } from "../haproxy.ts";
import { readChildren } from "../proc.ts";
import { settled, tell } from "./client.ts";

/** An address that only these agents have: nobody else asks them. */
const HOST = "127.5.0.2";

/** An agent that knows its load balancers, by their address, or has to learn who they are. */
function start(
  named: Record<string, string> = { HAPGENT_POLLERS: "127.0.0.1" },
): Promise<AgentProcess> {
  const env = { HAPGENT_REPLY: "full", ...named };
  return startAgent({ state: { status: "UP" }, socket: true, hostname: HOST, env });
}

/** A backend for each agent-send, all of one agent. */
function configure({ port }: AgentProcess, sends: readonly string[]): string {
  const backends = sends.map(
    (send, i) => `
backend be${i}
  server s unix@service.sock weight 100 check inter 200ms agent-check agent-inter 2s \
    agent-addr ${HOST} agent-port ${port} agent-send "${send}"
`,
  );
  // The first checks come at once.
  return `global\n  max-spread-checks 100ms\n${backends.join("")}`;
}

/** What HAProxy shows of each line. */
function statuses(haproxy: HaproxyProcess, count: number): Promise<string[]> {
  const names = Array.from({ length: count }, (_, i) => `be${i}/s`);
  return Promise.all(names.map(async (name) => (await haproxy.server(name)).status));
}

describe.concurrent("a wait", () => {
  test.each([
    ["that differ", ["web\\n", "api\\n"], 2],
    ["that are the same", ["web\\n", "web\\n"], 1],
    ["that are none", ["\\n", "\\n", "\\n"], 1],
  ])("is ok when all lines of one HAProxy know, with agent-sends %s", async (_, sends, pollers) => {
    await using agent = await start();
    await using haproxy = await startHaproxy(configure(agent, sends));
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

  test("is ok when lines know that the agent has to learn after its start, where nobody is named", async () => {
    await using agent = await start({});
    await using haproxy = await startHaproxy(configure(agent, ["web\\n", "api\\n"]));
    await tell(agent, "set status DRAIN");
    expect(await tell(agent, "wait 0")).toStartWith("error: ");
    expect(await tell(agent, "wait 60")).toStartWith("ok ");
    expect(await statuses(haproxy, 2)).toEqual(["DRAIN (agent)", "DRAIN (agent)"]);
  });

  test("is an error while a HAProxy stands still that was told something else", async () => {
    await using agent = await start();
    await using haproxy = await startHaproxy(configure(agent, ["web\\n"]));
    await settled(agent, 1);
    const { pid } = haproxy.process;
    const processes = [pid, ...readChildren(pid)];
    for (const each of processes) process.kill(each, "SIGSTOP");
    await tell(agent, "set status DRAIN");
    expect(await tell(agent, "wait 3")).toMatch(
      /^error: after [\d.]+ s: 1 of 1 load balancer does not know: 127\.0\.0\.1 "web" was told ready up 100% /,
    );
    for (const each of processes.toReversed()) process.kill(each, "SIGCONT");
    expect(await tell(agent, "wait 60")).toStartWith("ok ");
    expect(await statuses(haproxy, 1)).toEqual(["DRAIN (agent)"]);
  });
});
