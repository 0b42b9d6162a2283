// One agent for the services of a host, as a process:
// - whatever a client sends, it gets the reply of the service that it names, that of the host, or
//   FAIL, in time, and never another's;
// - a real HAProxy puts every backend where its service, after the host, says;
// - the control socket and `wait` know the services apart.
import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AgentProcess, startAgent } from "../../scripts/lib/agent.ts";
import { ask } from "../../scripts/lib/check.ts";
import { startHaproxy } from "../../scripts/lib/haproxy.ts";
import { readUsage } from "../../scripts/lib/proc.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { STATUSES, type State } from "../../src/state/state.ts";
import { askFrom, QUIET } from "./client.ts";

const FILES = {
  web: '{"status":"UP","weight":80}',
  api: '{"status":"DRAIN","weight":50,"maxconn":7}',
  db: '{"status":"READY"}',
};

/** An agent with these services, in a directory of its own. */
async function startServing(
  files: Record<string, string> = FILES,
  env: Record<string, string> = {},
  options: { socket?: boolean; hostname?: string } = {},
) {
  const services = temporaryDirectory();
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(`${services.path}/${name}.json`, text);
  }
  const agent = await startAgent({
    state: { status: "UP" },
    env: { ...TUNED, HAPGENT_SERVICES: services.path, ...env },
    ...options,
  });
  return {
    agent,
    path: services.path,
    async [Symbol.asyncDispose]() {
      await agent[Symbol.asyncDispose]();
      services[Symbol.dispose]();
    },
  };
}

/** Sends pieces with a pause between them (ms), and returns the reply and how long it took. */
async function drip(agent: AgentProcess, pieces: readonly string[], pause: number) {
  const { promise, resolve } = Promise.withResolvers<string>();
  const start = performance.now();
  let text = "";
  const socket = await Bun.connect({
    hostname: agent.hostname,
    port: agent.port,
    socket: {
      data(_, chunk) {
        text += chunk.toString();
        if (text.includes("\n")) resolve(text);
      },
      close: () => resolve(text),
    },
  });
  for (const piece of pieces) {
    socket.write(piece);
    await Bun.sleep(pause);
  }
  const reply = await promise;
  socket.end();
  return { reply, time: performance.now() - start };
}

/** Connects and sends a name, which is on its way when this returns. */
async function sendName({ hostname, port }: AgentProcess, name: string) {
  const { promise: reply, resolve } = Promise.withResolvers<string>();
  let text = "";
  const socket = await Bun.connect({
    hostname,
    port,
    socket: {
      data(_, chunk) {
        text += chunk.toString();
      },
      close: () => resolve(text),
    },
  });
  socket.write(name);
  return { reply };
}

describe.concurrent("a check of a host with services", () => {
  test.each([
    ["a name and a newline", "web\n", "ready up 80%\n"],
    ["a name and a carriage return", "web\r\nmore\n", "ready up 80%\n"],
    ["a name alone", "web", "ready up 80%\n"],
    ["a newline", "\n", "ready up 100%\n"],
    ["a mark and a name", "#hapgent:db\n", "ready up 100%\n"],
    ["an unknown name", "www\n", "FAIL #no such service\n"],
    ["a path", "../web\n", "FAIL #no such service\n"],
    ["64 bytes", `${"x".repeat(64)}\n`, "FAIL #no such service\n"],
    ["a flood", "x".repeat(100_000), "FAIL #no such service\n"],
    ["an HTTP request", "GET /web HTTP/1.1\r\nHost: web\r\n\r\n", "FAIL #no such service\n"],
    [
      "a TLS hello",
      "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".padEnd(517, "\x01"),
      "FAIL #no such service\n",
    ],
    ["zeros", "\0\0\0\n", "FAIL #no such service\n"],
  ])("that sends %s at once is answered at once", async (_, sent, reply) => {
    await using served = await startServing();
    const { agent } = served;
    // A stall of this machine is not the agent's: once is enough.
    await until("an answer before the time to send a name is over", async () => {
      const start = performance.now();
      const got = await agent.ask({ payload: sent });
      return got === reply && performance.now() - start < 240;
    });
  });

  test.each([
    ["nothing", [], 0, "ready up 100%\n"],
    ["an unknown name without a newline", ["www"], 0, "FAIL #no such service\n"],
    ["a byte a second", ["w", "e", "b"], 1000, "FAIL #no such service\n"],
  ] as const)("that sends %s is answered after 0.25 s", async (_, pieces, pause, reply) => {
    await using served = await startServing();
    // A stall of this machine before the first byte is not the agent's: once is enough.
    await until("the reply", async () => {
      const { reply: got, time } = await drip(served.agent, pieces, pause);
      expect(time).toBeGreaterThanOrEqual(240);
      return got === reply;
    });
  });

  test("that sends its name in two pieces is waited for", async () => {
    await using served = await startServing();
    await until("the answer to both pieces", async () => {
      const { reply } = await drip(served.agent, ["a", "pi\n"], 20);
      return reply === "up drain 50% maxconn:7\n";
    });
  });

  test("that has sent its name gets its own answer from an agent that stood still", async () => {
    await using served = await startServing(FILES, {}, { hostname: QUIET });
    const { agent } = served;
    const replies = new Set<string>();
    for (let round = 1; round <= 12; round += 1) {
      agent.signal("SIGSTOP");
      const checks = await Promise.all(Array.from({ length: 60 }, () => sendName(agent, "api\n")));
      // Some are accepted, and not read, before it stops once more.
      agent.signal("SIGCONT");
      const start = performance.now();
      while (performance.now() - start < round / 4);
      agent.signal("SIGSTOP");
      await Bun.sleep(300);
      agent.signal("SIGCONT");
      for (const reply of await Promise.all(checks.map(({ reply }) => reply))) replies.add(reply);
    }
    expect([...replies]).toEqual(["up drain 50% maxconn:7\n"]);
  });

  test("gets its own answer among many that send anything", async () => {
    await using served = await startServing();
    const { agent } = served;
    const others = ["www\n", "", "x", "api\n", `${"y".repeat(5000)}\n`, "\xff\xfe"];
    const checks = Array.from({ length: 60 }, async (_, i) => {
      const payload = i % 2 === 0 ? "web\n" : (others[i % others.length] ?? "");
      return { payload, reply: await agent.ask({ payload }) };
    });
    for (const { payload, reply } of await Promise.all(checks)) {
      const expected =
        { "web\n": "ready up 80%\n", "api\n": "up drain 50% maxconn:7\n", "": "ready up 100%\n" }[
          payload
        ] ?? "FAIL #no such service\n";
      expect({ payload, reply }).toEqual({ payload, reply: expected });
    }
  });

  test("with watch on never reads a file outside of its directory", async () => {
    await using served = await startServing({ web: '{"status":"UP"}' }, { HAPGENT_WATCH: "on" });
    const { agent, path } = served;
    mkdirSync(`${path}/inner`);
    writeFileSync(`${path}/inner/secret.json`, '{"status":"MAINT"}');
    writeFileSync(`${path}/.hidden.json`, '{"status":"MAINT"}');
    for (const sent of [
      "inner/secret\n",
      `../${path.split("/").at(-1)}/web\n`,
      ".hidden\n",
      `${path}/web\n`,
    ]) {
      expect(await agent.ask({ payload: sent })).toBe("FAIL #no such service\n");
    }
    writeFileSync(`${path}/new.json`, '{"status":"MAINT"}');
    expect(await agent.ask({ payload: "new\n" })).toBe("maint 100%\n");
    rmSync(path, { recursive: true });
    expect(await agent.ask({ payload: "web\n" })).toBe("ready up 100%\n");
  });
});

describe.concurrent("HAProxy with three backends on one agent", () => {
  /** What HAProxy shows of a status, with weight 100 in its line. */
  const SHOWN: Record<State["status"], string> = {
    UP: "UP",
    READY: "UP",
    DOWN: "DOWN (agent)",
    FAIL: "DOWN (agent)",
    STOPPED: "DOWN (agent)",
    DRAIN: "DRAIN (agent)",
    MAINT: "MAINT",
  };

  function threeBackends(port: number): string {
    return ["web", "api", "db"]
      .map(
        (name) => `
backend ${name}
  server s unix@service.sock weight 100 maxconn 500 check inter 1s agent-check agent-inter 20ms \
    agent-addr 127.0.0.1 agent-port ${port} agent-send "${name}\\n"
`,
      )
      .join("");
  }

  test("loses all at USR2, and at USR1 has each back in its own state, weight and maxconn", async () => {
    await using served = await startServing();
    const { agent } = served;
    await using haproxy = await startHaproxy(threeBackends(agent.port));
    const own = async () => {
      await haproxy.shows({ status: "UP", uweight: 80 }, "web/s");
      await haproxy.shows({ status: "DRAIN (agent)", slim: 7 }, "api/s");
      await haproxy.shows({ status: "UP", uweight: 100 }, "db/s");
    };
    await own();
    agent.signal("SIGUSR2");
    for (const name of ["web/s", "api/s", "db/s"]) {
      await haproxy.shows({ status: "DOWN (agent)" }, name);
    }
    agent.signal("SIGUSR1");
    await own();
    expect(readFileSync(`${served.path}/api.json`, "utf8")).toBe(FILES.api);
  });

  test("follows the host and a service from any state to any other", async () => {
    await using served = await startServing(FILES, {}, { socket: true });
    const { agent } = served;
    await using haproxy = await startHaproxy(threeBackends(agent.port));
    for (const host of [...STATUSES.slice(1), "UP"] as const) {
      await agent.ctl("set", "status", host);
      const isOpen = host === "UP" || host === "READY";
      // From each to each other, once: with a host that is open the service's own count.
      const walk =
        host === "UP" ? STATUSES.flatMap((from) => STATUSES.flatMap((to) => [from, to])) : STATUSES;
      for (const status of walk) {
        await agent.ctl("@web", "set", "status", status);
        await haproxy.shows({ status: SHOWN[isOpen ? status : host], uweight: 80 }, "web/s");
      }
      const api = { status: SHOWN[isOpen ? "DRAIN" : host], uweight: 50, slim: 7 };
      await haproxy.shows(api, "api/s");
    }
  });
});

describe.concurrent("the control socket of a host with services", () => {
  test("waits for the pollers of one service, or of all", async () => {
    await using served = await startServing(FILES, {}, { socket: true, hostname: QUIET });
    const { agent } = served;
    await askFrom("127.0.0.2", agent, "web\n");
    await askFrom("127.0.0.3", agent, "api\n");
    // Those who ask for what is no service are told FAIL, and nobody's pollers.
    await askFrom("127.0.0.4", agent, "www\n");
    await agent.ctl("@web", "set", "status", "DOWN");
    expect((await agent.ctl("@api", "wait", "5", "1")).stdout).toMatch(
      /^ok served to 1 poller after [\d.]+ s: up drain 50% maxconn:7; 127\.0\.0\.3 "api"\n$/,
    );
    expect((await agent.ctl("@web", "wait", "0", "1")).stderr).toContain(
      'not served to 1 of 1: 127.0.0.2 "web" (told ready up 80%, ',
    );
    expect((await agent.ctl("wait", "0", "2")).stderr).toContain("not served to 1 of 2");
    await askFrom("127.0.0.2", agent, "web\n");
    expect((await agent.ctl("wait", "5", "2")).exitCode).toBe(0);
    expect((await agent.ctl("@www", "wait", "5")).stderr).toBe('error: no such service: "www"\n');
  });

  test("requires a line whose name came too late, and which was told the host's state", async () => {
    await using served = await startServing(FILES, {}, { socket: true, hostname: QUIET });
    const { agent } = served;
    await askFrom("127.0.0.2", agent, "api\n");
    const late = Bun.spawn(
      ["sh", "-c", `(sleep 1; echo api) | socat -t5 - TCP4:${QUIET}:${agent.port}`],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    expect(await late.stdout.text()).toBe("ready up 100%\n");
    await until("both have closed", async () => {
      const { stdout } = await agent.ctl("@api", "show", "pollers");
      return JSON.parse(stdout).length === 2;
    });
    expect((await agent.ctl("@api", "wait", "0", "2")).stderr).toContain(
      '127.0.0.1 "api" (told ready up 100%, ',
    );
  });

  test("tells in the log which service changed", async () => {
    await using served = await startServing(FILES, {}, { socket: true });
    const { agent } = served;
    await agent.ctl("@web", "set", "weight", "5");
    expect(await agent.logs(/cause=socket/)).toBe(
      'hapgent: state cause=socket service=web old="ready up 80%" new="ready up 5%"',
    );
    writeFileSync(`${served.path}/web.json`, "{");
    agent.signal("SIGHUP");
    expect(await agent.logs(/state file refused/)).toContain("cause=SIGHUP service=web file=");
  });
});

test("without services nothing that a client sends is read", async () => {
  await using agent = await startAgent({ state: { status: "UP" }, env: TUNED });
  const start = performance.now();
  expect(await ask(agent.port, { payload: "www\n" })).toBe("UP\n");
  expect(await ask(agent.port)).toBe("UP\n");
  expect(performance.now() - start).toBeLessThan(240);
});

test("costs as little with 1,000 services, and 10,000 files are no crash", async () => {
  const thousand = Array.from({ length: 1000 }, (_, i) => [`s${i}`, '{"status":"UP","weight":7}']);
  await using one = await startServing({ web: '{"status":"UP"}' });
  await using many = await startServing(Object.fromEntries(thousand));
  expect(await many.agent.ask({ payload: "s999\n" })).toBe("ready up 7%\n");
  const grown = readUsage(many.agent.pid).memory - readUsage(one.agent.pid).memory;
  expect(grown).toBeLessThan(1500);
  for (let i = 0; i < 10_000; i += 1) writeFileSync(`${many.path}/t${i}.json`, '{"status":"UP"}');
  many.agent.signal("SIGHUP");
  expect(await many.agent.logs(/too many services/)).toContain("services=11000 limit=4096");
  await many.agent.logs(/cause=SIGHUP old=/);
  expect(await many.agent.ask({ payload: "s1\n" })).toBe("ready up 7%\n");
});
