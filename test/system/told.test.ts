// When `wait` is ok, or the agent has stopped, every line of every HAProxy shows it: each of these
// shapes was once told wrong. What HAProxy itself shows is the judge.
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { type AgentProcess, runAgent, startAgent } from "../../scripts/lib/agent.ts";
import { type HaproxyProcess, startHaproxy } from "../../scripts/lib/haproxy.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { askFrom } from "./client.ts";

/** An address that only the agents of this file have: nobody else asks them. */
const HOST = "127.5.0.2";

/** A backend for each agent-send, all of one agent. */
function configure(port: number, sends: readonly string[], interval = "2s"): string {
  const backends = sends.map(
    (send, i) => `
backend be${i}
  server s unix@service.sock weight 100 check inter 200ms agent-check agent-inter ${interval} \
    agent-addr ${HOST} agent-port ${port} agent-send "${send}"
`,
  );
  return backends.join("");
}

/** A HAProxy with a line for each agent-send. */
function startLines(
  port: number,
  sends: readonly string[],
  interval?: string,
): Promise<HaproxyProcess> {
  return startHaproxy(configure(port, sends, interval));
}

/** What HAProxy shows of each line. */
function statuses(haproxy: HaproxyProcess, count: number): Promise<string[]> {
  const names = Array.from({ length: count }, (_, i) => `be${i}/s`);
  return Promise.all(names.map(async (name) => (await haproxy.server(name)).status));
}

async function startTold(env: Record<string, string> = {}): Promise<AgentProcess> {
  return await startAgent({
    state: { status: "UP" },
    socket: true,
    hostname: HOST,
    env: { ...TUNED, ...env },
  });
}

/** Waits until every line was served once. */
async function served(agent: AgentProcess, count: number): Promise<void> {
  await until(`${count} pollers`, async () => {
    const { stdout } = await agent.ctl("show", "pollers");
    return JSON.parse(stdout).length === count;
  });
}

describe.concurrent("when wait is ok", () => {
  test.each([
    ["that differ", ["web\\n", "api\\n"], 2],
    ["that are the same", ["web\\n", "web\\n"], 1],
    ["that are none", ["\\n", "\\n", "\\n"], 1],
  ])("all lines of one HAProxy know, with agent-sends %s", async (_, sends, pollers) => {
    await using agent = await startTold();
    await using haproxy = await startLines(agent.port, sends);
    await served(agent, pollers);
    await until("all are up", async () =>
      (await statuses(haproxy, sends.length)).every((status) => status === "UP"),
    );
    for (const [status, shown] of [
      ["DRAIN", "DRAIN (agent)"],
      ["READY", "UP"],
      ["DOWN", "DOWN (agent)"],
      ["UP", "UP"],
    ] as const) {
      await agent.ctl("set", "status", status);
      const { stdout, exitCode } = await agent.ctl("wait", "30", String(pollers));
      expect(exitCode).toBe(0);
      expect(stdout).toStartWith(
        `ok served to ${pollers === 1 ? "1 poller" : `all of ${pollers} pollers`} after `,
      );
      expect(await statuses(haproxy, sends.length)).toEqual(sends.map(() => shown));
    }
  });

  test("a line that is asked about every 5 s knows too", async () => {
    await using agent = await startTold();
    await using haproxy = await startLines(agent.port, ["web\\n"], "5s");
    await until("wait is ok", async () => (await agent.ctl("wait", "0")).exitCode === 0, 30_000);
    await agent.ctl("set", "status", "DRAIN");
    const { exitCode } = await agent.ctl("wait", "30");
    expect({ exitCode, shown: await statuses(haproxy, 1) }).toEqual({
      exitCode: 0,
      shown: ["DRAIN (agent)"],
    });
  });
});

describe.concurrent("when wait is ok, by a service of several,", () => {
  test("two lines that ask for it know, however long their interval", async () => {
    using services = temporaryDirectory();
    writeFileSync(`${services.path}/web.json`, '{"status":"UP"}');
    await using agent = await startTold({ HAPGENT_SERVICES: services.path });
    // Three seconds are more than the interval that is assumed where two lines look like one.
    await using haproxy = await startLines(agent.port, ["web\\n", "web 2\\n"], "3s");
    await served(agent, 2);
    for (const [status, shown] of [
      ["DRAIN", "DRAIN (agent)"],
      ["READY", "UP"],
      ["DRAIN", "DRAIN (agent)"],
    ] as const) {
      await agent.ctl("@web", "set", "status", status);
      expect((await agent.ctl("@web", "wait", "30")).exitCode).toBe(0);
      expect(await statuses(haproxy, 2)).toEqual([shown, shown]);
    }
  });
});

describe.concurrent("when wait is ok, with a watched file,", () => {
  test("HAProxy shows the edit and the command after it", async () => {
    await using agent = await startTold({ HAPGENT_WATCH: "on" });
    await using haproxy = await startLines(agent.port, ["web\\n"]);
    await served(agent, 1);
    writeFileSync(agent.stateFile, '{"status":"DRAIN","reason":"by hand"}');
    await agent.ctl("set", "weight", "50");
    expect((await agent.ctl("wait", "30")).exitCode).toBe(0);
    expect(await haproxy.server("be0/s")).toMatchObject({ status: "DRAIN (agent)", uweight: 50 });
    expect(JSON.parse(agent.file())).toEqual({ status: "DRAIN", weight: 50, reason: "by hand" });
  });
});

describe.concurrent("wait is an error", () => {
  test("after a restart, until the agent knows its pollers", async () => {
    await using first = await startTold();
    await using haproxy = await startLines(first.port, ["web\\n", "api\\n"]);
    await served(first, 2);
    expect(await first.stop()).toBe(0);
    await using agent = await startAgent({
      stateFile: first.stateFile,
      socket: true,
      hostname: HOST,
      env: { ...TUNED, HAPGENT_PORT: String(first.port) },
    });
    await agent.ctl("set", "status", "DRAIN");
    expect((await agent.ctl("wait", "0")).exitCode).toBe(1);
    expect((await agent.ctl("wait", "30")).exitCode).toBe(0);
    expect(await statuses(haproxy, 2)).toEqual(["DRAIN (agent)", "DRAIN (agent)"]);
  });

  test("while a poller that was told something else asks no more", async () => {
    await using agent = await startTold();
    await using haproxy = await startLines(agent.port, ["web\\n"]);
    await served(agent, 1);
    haproxy.process.kill("SIGSTOP");
    for (const pid of await workers(haproxy)) process.kill(pid, "SIGSTOP");
    await agent.ctl("set", "status", "DRAIN");
    await askFrom("127.0.0.9", agent, "api\n");
    const { exitCode, stderr } = await agent.ctl("wait", "12");
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /^error: after 12 s: not served to 1 of 2: 127\.0\.0\.1 "web" \(told UP, asked \d/,
    );
    for (const pid of await workers(haproxy)) process.kill(pid, "SIGCONT");
    haproxy.process.kill("SIGCONT");
    expect((await agent.ctl("wait", "30")).exitCode).toBe(0);
    expect(await statuses(haproxy, 1)).toEqual(["DRAIN (agent)"]);
  });

  test("with 500 load balancers of which one was not told", async () => {
    await using agent = await startTold();
    const addresses = addressesOf("127.9", 500);
    await askAll(agent, addresses);
    await agent.ctl("set", "status", "DRAIN");
    await askAll(agent, addresses.slice(1));
    // Strangers push nobody out.
    await askAll(agent, addressesOf("127.8", 300));
    const { stderr } = await agent.ctl("wait", "3", "500");
    expect(stderr).toMatch(/not served to 1 of 800: 127\.9\.0\.0 \(told UP, /);
    await askAll(agent, addresses.slice(0, 1));
    expect((await agent.ctl("wait", "30", "800")).exitCode).toBe(0);
  });

  test("with 5,000 load balancers: not all of them are remembered", async () => {
    await using agent = await startTold();
    const addresses = addressesOf("127.10", 5000);
    await askAll(agent, addresses);
    await agent.ctl("set", "status", "DRAIN");
    await askAll(agent, addresses);
    expect((await agent.ctl("wait", "0", "4096")).stderr).toBe(
      "error: after 0 s: more than 4096 pollers: not all of them are known\n",
    );
  });

  test("while a line of before a reload of HAProxy is required, until it is forgotten", async () => {
    await using agent = await startTold();
    await using haproxy = await startLines(agent.port, ["web\\n", "api\\n"]);
    await served(agent, 2);
    writeFileSync(
      `${haproxy.directory.path}/haproxy.cfg`,
      configure(agent.port, ["web\\n", "new\\n"]),
    );
    await haproxy.reload();
    await served(agent, 3);
    await agent.ctl("set", "status", "DRAIN");
    expect((await agent.ctl("wait", "12")).stderr).toMatch(
      /not served to 1 of 3: 127\.\S+ "api" \(told UP, /,
    );
    const [{ address }] = JSON.parse((await agent.ctl("show", "pollers")).stdout);
    await agent.ctl("forget", address);
    expect((await agent.ctl("wait", "30")).exitCode).toBe(0);
    expect(await statuses(haproxy, 2)).toEqual(["DRAIN (agent)", "DRAIN (agent)"]);
  });

  test.each(["closed", "reset"])(
    "while one that had %s before its check was accepted was not told",
    async (how) => {
      await using agent = await startTold();
      agent.signal("SIGSTOP");
      await leaveBefore(agent, how === "reset");
      agent.signal("SIGCONT");
      await askFrom("127.0.0.2", agent);
      const { stdout } = await agent.ctl("show", "pollers");
      const told = JSON.parse(stdout).filter((poller: { isServed: boolean }) => poller.isServed);
      expect(told).toMatchObject([{ address: "127.0.0.2" }]);
    },
  );

  test("never for the sake of the project's own probes", async () => {
    await using agent = await startTold();
    await askFrom("127.0.0.2", agent, "web\n");
    for (let i = 0; i < 10; i += 1) {
      expect((await runAgent(["status", `${HOST}:${agent.port}`])).exitCode).toBe(0);
    }
    await agent.ctl("set", "status", "DRAIN");
    // Three times: what counts as its interval are the last two that have passed.
    for (let i = 0; i < 3; i += 1) await askFrom("127.0.0.2", agent, "web\n");
    expect((await agent.ctl("wait", "60", "1")).exitCode).toBe(0);
    expect(JSON.parse((await agent.ctl("show", "pollers")).stdout)).toHaveLength(1);
  });
});

describe.concurrent("a stop status", () => {
  test("is known to all of eight lines before the agent ends", async () => {
    await using agent = await startTold({ HAPGENT_STOP_STATUS: "DOWN", HAPGENT_STOP_GRACE: "60" });
    const sends = Array.from({ length: 8 }, (_, i) => `line${i}\\n`);
    await using haproxy = await startLines(agent.port, sends);
    await served(agent, 8);
    expect(await agent.stop()).toBe(0);
    expect(await statuses(haproxy, 8)).toEqual(sends.map(() => "DOWN (agent)"));
  });

  test("is undone by READY after the next start", async () => {
    const stop = { HAPGENT_STOP_STATUS: "DOWN", HAPGENT_STOP_GRACE: "60" };
    await using first = await startTold(stop);
    await using haproxy = await startLines(first.port, ["web\\n"]);
    await served(first, 1);
    expect(await first.stop()).toBe(0);
    expect(await statuses(haproxy, 1)).toEqual(["DOWN (agent)"]);
    writeFileSync(first.stateFile, '{"status":"READY"}');
    await using _next = await startAgent({
      stateFile: first.stateFile,
      hostname: HOST,
      env: { ...TUNED, ...stop, HAPGENT_PORT: String(first.port) },
    });
    await haproxy.shows({ status: "UP" }, "be0/s");
  });
});

/** Connects, sends, and is gone before the agent, which stands still, has accepted it. */
async function leaveBefore({ port, hostname }: AgentProcess, isReset: boolean): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect({ host: hostname, port }, () => {
    socket.write("gone\n", () => (isReset ? socket.resetAndDestroy() : socket.destroy()));
  });
  socket.on("close", () => resolve()).on("error", reject);
  await promise;
}

/** Asks as each of these addresses, 16 at a time. */
async function askAll(agent: AgentProcess, addresses: readonly string[]): Promise<void> {
  const left = addresses.values();
  const work = async () => {
    for (const localAddress of left) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      connect({ host: agent.hostname, port: agent.port, localAddress })
        .on("data", () => undefined)
        .on("error", reject)
        .on("close", () => resolve());
      await promise;
    }
  };
  await Promise.all(Array.from({ length: 16 }, work));
}

/** So many addresses of this machine. */
function addressesOf(network: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${network}.${i >> 8}.${i & 255}`);
}

/** The processes of a HAProxy that ask agents. */
async function workers({ process: { pid } }: HaproxyProcess): Promise<number[]> {
  const children = await Bun.file(`/proc/${pid}/task/${pid}/children`).text();
  return children.trim().split(/\s+/).map(Number);
}
