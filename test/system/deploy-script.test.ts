// hapgent-deploy takes a step only when every HAProxy has been told of the one before, loses no
// request, and says what state the server is in when it fails.
import { describe, expect, test } from "bun:test";
import { mkdirSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { type AgentProcess, startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { startHaproxy } from "../../scripts/lib/haproxy.ts";
import { collectLines } from "../../scripts/lib/lines.ts";
import { outcome, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { askFrom, QUIET } from "./client.ts";
import { startService, Traffic } from "./traffic.ts";

const SCRIPT = `${ROOT}deploy/scripts/hapgent-deploy`;

/** Runs the script with the executable on its path. */
async function deploy(
  agent: { socket: string },
  args: readonly string[],
  env: Record<string, string> = {},
  cwd?: string,
) {
  using directory = temporaryDirectory();
  symlinkSync(EXECUTABLE, `${directory.path}/hapgent`);
  return await outcome(["sh", SCRIPT, ...args], {
    env: {
      PATH: `${directory.path}:${Bun.env["PATH"]}`,
      HAPGENT_SOCKET: agent.socket,
      HAPGENT_DEPLOY_SETTLE: "0",
      ...env,
    },
    isClean: true,
    ...(cwd !== undefined && { cwd }),
  });
}

/** An agent that one poller asks all the time; it has been at it for long enough to be believed. */
async function startAsked(env: Record<string, string> = {}) {
  const agent = await startAgent({
    state: { status: "UP" },
    socket: true,
    hostname: QUIET,
    env: { ...TUNED, ...env },
  });
  let isOver = false;
  const asking = (async () => {
    while (!isOver) {
      await agent.ask({ payload: "web\n" }).catch(() => undefined);
      await Bun.sleep(500);
    }
  })();
  await until("wait is ok", async () => (await agent.ctl("wait", "0")).exitCode === 0, 20_000);
  return {
    agent,
    async [Symbol.asyncDispose]() {
      isOver = true;
      await asking;
      await agent[Symbol.asyncDispose]();
    },
  };
}

/** A service that answers its first checks, so many of them, with 503 and then with 200. */
function startUnready(refused: number) {
  let answers = 0;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch() {
      answers += 1;
      return new Response("", { status: answers > refused ? 200 : 503 });
    },
  });
  return {
    url: `${server.url}`,
    get answers() {
      return answers;
    },
    [Symbol.dispose]: () => server[Symbol.dispose](),
  };
}

/** The statuses that the log tells of, in their order. */
function statuses(agent: AgentProcess): string[] {
  return agent.log.flatMap((line) => /cause=socket .*new="?(\w+)/.exec(line)?.[1] ?? []);
}

test.each(["hapgent-deploy", "hapgent-load"])("shellcheck finds nothing in %s", async (name) => {
  const { stdout, exitCode } = await outcome(["shellcheck", `${ROOT}deploy/scripts/${name}`]);
  expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 0 });
});

describe.concurrent("hapgent-deploy", () => {
  test("drains, runs the command, and is READY, then UP", async () => {
    await using asked = await startAsked();
    const { agent } = asked;
    const { exitCode, stdout, stderr } = await deploy(agent, ["v42", "echo", "deployed"]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout.split("\n").map((line) => line.replace(/ after .*/, ""))).toEqual([
      "ok saved: DRAIN (HAProxy shows no reason with DRAIN)",
      "ok served to 1 poller",
      "deployed",
      "ok saved: READY",
      "ok served to 1 poller",
      "ok saved: UP",
      "",
    ]);
    expect(statuses(agent)).toEqual(["DRAIN", "READY", "UP"]);
  });

  test("leaves the server drained when the command fails, and says so", async () => {
    await using asked = await startAsked();
    const { exitCode, stderr } = await deploy(asked.agent, ["v42", "sh", "-c", "exit 3"]);
    expect(exitCode).toBe(1);
    expect(stderr).toBe(
      "hapgent-deploy: the command failed: sh -c exit 3; the agent says DRAIN; to put it back: " +
        "hapgent ctl set status READY && hapgent ctl wait 30 && hapgent ctl set status UP\n",
    );
    expect(JSON.parse(asked.agent.file())).toEqual({ status: "DRAIN", reason: "failed: v42" });
  });

  test("deploys nothing when a load balancer cannot be told, and puts the server back", async () => {
    await using asked = await startAsked();
    const { agent } = asked;
    await askFrom("127.0.0.3", agent);
    const { exitCode, stdout, stderr } = await deploy(agent, ["v42", "echo", "deployed"], {
      HAPGENT_DEPLOY_WAIT: "3",
    });
    expect(exitCode).toBe(1);
    expect(stdout).not.toContain("deployed");
    expect(stderr).toMatch(/not served to 1 of 2: 127\.0\.0\.3 \(told UP, /);
    // It never asks again: it is not known to be told of READY either.
    expect(stderr).toEndWith(
      "hapgent-deploy: not every HAProxy knows that the server is back; the agent says READY; " +
        "to finish: hapgent ctl wait 3 && hapgent ctl set status UP\n",
    );
    expect(statuses(agent)).toEqual(["DRAIN", "READY"]);
  });

  test("is back where it was when a load balancer is told too late", async () => {
    await using asked = await startAsked();
    const { agent } = asked;
    await askFrom("127.0.0.3", agent);
    const isReady = () => agent.log.some((line) => line.includes("new=READY"));
    const late = until("READY", isReady, 30_000).then(async () => {
      // Three times: what counts as its interval are the last two that have passed.
      for (let i = 0; i < 3; i += 1) await askFrom("127.0.0.3", agent);
    });
    const { exitCode, stdout, stderr } = await deploy(agent, ["v42", "echo", "deployed"], {
      HAPGENT_DEPLOY_WAIT: "3",
    });
    await late;
    expect({ exitCode, isDeployed: stdout.includes("deployed") }).toEqual({
      exitCode: 1,
      isDeployed: false,
    });
    expect(stderr).toEndWith(
      "hapgent-deploy: not every HAProxy knew that the server was out: nothing was deployed, " +
        "and it is back\n",
    );
    expect(statuses(agent)).toEqual(["DRAIN", "READY", "UP"]);
  });

  test("puts the server back only once the service answers", async () => {
    await using asked = await startAsked();
    using service = startUnready(2);
    const { exitCode } = await deploy(asked.agent, ["--url", service.url, "v42", "true"]);
    expect({ exitCode, answers: service.answers }).toEqual({ exitCode: 0, answers: 3 });
    const failed = await deploy(asked.agent, ["--until", "exit 1", "v42", "true"], {
      HAPGENT_DEPLOY_ANSWER: "1",
    });
    expect(failed.exitCode).toBe(1);
    expect(failed.stderr).toStartWith(
      "hapgent-deploy: the service does not answer; the agent says DRAIN; to put it back: ",
    );
    expect(await asked.agent.ask()).toBe("DRAIN\n");
  });

  test("puts the server back when the deploy removes the directory that it runs in", async () => {
    await using asked = await startAsked();
    using directory = temporaryDirectory();
    const cwd = `${directory.path}/release`;
    mkdirSync(cwd);
    const { exitCode } = await deploy(asked.agent, ["v42", "rm", "-rf", cwd], {}, cwd);
    expect(exitCode).toBe(0);
    expect(await asked.agent.ask()).toBe("UP\n");
  });

  test("deploys one service of an agent", async () => {
    using services = temporaryDirectory();
    writeFileSync(`${services.path}/web.json`, '{"status":"UP"}');
    writeFileSync(`${services.path}/api.json`, '{"status":"UP"}');
    await using asked = await startAsked({ HAPGENT_SERVICES: services.path });
    const { agent } = asked;
    const command = ["sh", "-c", `printf 'api\\n' | socat -t3 - TCP:${QUIET}:${agent.port}`];
    const { exitCode, stdout } = await deploy(agent, ["@web", "v42", ...command]);
    expect({ exitCode, out: stdout.includes("\nready up 100%\n") }).toEqual({
      exitCode: 0,
      out: true,
    });
    expect(agent.log.filter((line) => line.includes("service=web old="))).toHaveLength(3);
    const failed = await deploy(agent, ["@web", "v42", "false"]);
    expect(failed.stderr).toBe(
      "hapgent-deploy: the command failed: false; the agent says up drain 100% #failed: v42; " +
        "to put it back: hapgent ctl @web set status READY && hapgent ctl @web wait 30 && " +
        "hapgent ctl @web set status UP\n",
    );
  });

  test.each([
    [["--help", "rm", "-rf", "/nowhere"], 0],
    [["v42"], 2],
    [["--url"], 2],
    [["--nope", "v42", "true"], 2],
  ])("with %j changes nothing", async (args, code) => {
    const { exitCode, stdout, stderr } = await deploy({ socket: "/nowhere" }, args);
    expect({ exitCode, text: (stdout + stderr).split("\n")[0] }).toEqual({
      exitCode: code,
      text: "usage: hapgent-deploy [OPTION...] [@SERVICE] REASON COMMAND [ARGUMENT...]",
    });
  });

  test.each(["WAIT", "ANSWER", "SETTLE"])(
    "with a wrong HAPGENT_DEPLOY_%s it changes nothing",
    async (name) => {
      const env = { [`HAPGENT_DEPLOY_${name}`]: "5s" };
      expect(await deploy({ socket: "/nowhere" }, ["v42", "true"], env)).toEqual({
        stdout: "",
        stderr: `hapgent-deploy: HAPGENT_DEPLOY_${name}: expected a number of seconds, got '5s'\n`,
        exitCode: 2,
      });
    },
  );

  test("deploys nothing when there is no agent", async () => {
    const { exitCode, stdout, stderr } = await deploy({ socket: "/nowhere" }, [
      "v42",
      "echo",
      "deployed",
    ]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toContain(
      "hapgent-deploy: the agent could not be set to DRAIN, nothing was deployed; " +
        "the agent does not answer; ",
    );
  });

  test("says that the server is drained when DRAIN could not be saved", async () => {
    await using asked = await startAsked();
    const { agent } = asked;
    // The state file is a directory: the change counts, and cannot be saved.
    unlinkSync(agent.stateFile);
    mkdirSync(agent.stateFile);
    const { exitCode, stdout, stderr } = await deploy(agent, ["v42", "echo", "deployed"]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toContain("nothing was deployed; the agent says DRAIN; to put it back: ");
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("says what it leaves behind after %s", async (signal, code) => {
    await using asked = await startAsked();
    const { agent } = asked;
    using directory = temporaryDirectory();
    symlinkSync(EXECUTABLE, `${directory.path}/hapgent`);
    // As a terminal does, to all of a process group; in a background job SIGINT would be ignored.
    const script = Bun.spawn(
      ["setsid", "sh", SCRIPT, "v42", "sh", "-c", "echo $$ >&2; exec sleep 60"],
      {
        env: { PATH: `${directory.path}:${Bun.env["PATH"]}`, HAPGENT_SOCKET: agent.socket },
        stdio: ["ignore", "ignore", "pipe"],
      },
    );
    const log: string[] = [];
    const ended = collectLines(script.stderr, log);
    await until("the command runs", () => log.length > 0);
    process.kill(-script.pid, signal);
    expect(await script.exited).toBe(code);
    await ended;
    // The shell has its own word for what has ended the command.
    expect(log.at(-1)).toStartWith(
      "hapgent-deploy: interrupted; the agent says DRAIN; to put it back: ",
    );
  });

  test.each(["curl", "wget"])("asks the URL with %s", async (tool) => {
    await using asked = await startAsked();
    using service = startUnready(1);
    // Nothing but what the script needs, and one of the two.
    using directory = temporaryDirectory();
    for (const name of ["sh", "sed", "date", "sleep", "cat", "true", "timeout", tool]) {
      const path = Bun.which(name);
      if (path === null) throw new Error(`no ${name}`);
      symlinkSync(path, `${directory.path}/${name}`);
    }
    symlinkSync(EXECUTABLE, `${directory.path}/hapgent`);
    const env = { PATH: directory.path };
    const args = ["--url", service.url, "v42", "true"];
    expect((await deploy(asked.agent, args, env)).exitCode).toBe(0);
    expect(service.answers).toBe(2);
  });

  test("looks for the service from the directory that the deploy has made anew", async () => {
    await using asked = await startAsked();
    using directory = temporaryDirectory();
    const cwd = `${directory.path}/release`;
    mkdirSync(cwd);
    const remake = `rm -rf ${cwd} && mkdir ${cwd} && touch ${cwd}/new`;
    const args = ["--until", "test -e new", "v42", "sh", "-c", remake];
    expect((await deploy(asked.agent, args, { HAPGENT_DEPLOY_ANSWER: "2" }, cwd)).exitCode).toBe(0);
  });
});

describe.concurrent("a rolling deploy of two servers", () => {
  test("loses no request while each service is down for 8 s", async () => {
    await using stack = new AsyncDisposableStack();
    const servers = await Promise.all(
      ["one", "two"].map(async (name) => {
        const agent = stack.use(
          await startAgent({ state: { status: "UP" }, socket: true, env: TUNED }),
        );
        const server = { name, agent, service: startService(name) };
        stack.defer(() => server.service[Symbol.asyncDispose]());
        // What `systemctl restart` does, of a service that takes its time to come back.
        const manager = stack.use(
          Bun.serve({
            hostname: "127.0.0.1",
            port: 0,
            async fetch() {
              await server.service.stop();
              setTimeout(() => {
                server.service = startService(name, server.service.port);
              }, 8000);
              return new Response();
            },
          }),
        );
        return { server, restart: `${manager.url}` };
      }),
    );
    const lines = servers.map(
      ({ server: { name, agent, service } }) =>
        `server ${name} 127.0.0.1:${service.port} weight 100 check agent-check agent-inter 2s ` +
        `agent-addr 127.0.0.1 agent-port ${agent.port} agent-send "${name}\\n"`,
    );
    // HAProxy's own defaults: inter 2s, rise 2, fall 3.
    await using haproxy = await startHaproxy(
      `listen be\n  bind unix@front.sock\n  retries 0\n  ${lines.join("\n  ")}\n`,
    );
    await haproxy.shows({ agent_status: "L7OK" }, "be/one");
    await haproxy.shows({ agent_status: "L7OK" }, "be/two");
    await using traffic = new Traffic(haproxy);
    for (const { server, restart } of servers) {
      const url = `http://127.0.0.1:${server.service.port}/`;
      const { exitCode, stderr } = await deploy(
        server.agent,
        ["--url", url, "v42", "curl", "-sf", restart],
        { HAPGENT_DEPLOY_SETTLE: "5" },
      );
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    }
    const before = { one: traffic.by("one"), two: traffic.by("two") };
    await until(
      "both serve again",
      () => traffic.by("one") > before.one && traffic.by("two") > before.two,
    );
    const { answers } = await traffic.stop();
    expect(new Set(Object.keys(answers))).toEqual(new Set(["one", "two"]));
  }, 120_000);
});
