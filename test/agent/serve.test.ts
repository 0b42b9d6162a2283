// What the agent promises as a process, here run from source:
// - it says once that it listens, and for what; a start that fails is one line and an exit code;
// - whoever gets an answer may signal, and what a signal has changed is saved before the end;
// - a stop waits for clients, for saves and for the pollers that have to hear of it, none for ever;
// - with arguments it is a command, and never the agent.
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { version } from "../../package.json";
import { type AgentOptions, type AgentProcess, startAgent } from "../../scripts/lib/agent.ts";
import { ask } from "../../scripts/lib/check.ts";
import { collectLines } from "../../scripts/lib/lines.ts";
import { outcome, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { formatState, type State } from "../../src/state/state.ts";

const PROGRAM = [process.execPath, `${ROOT}src/main.ts`] as const;

/** An address that no other test asks: whoever asks is a poller. */
const QUIET = "127.5.0.2";

const STATE: State = { status: "UP", weight: 50 };

function start(options: AgentOptions = {}): Promise<AgentProcess> {
  const [runtime, executable] = PROGRAM;
  return startAgent({
    state: STATE,
    hostname: QUIET,
    launcher: [runtime],
    executable,
    ...options,
  });
}

/** Runs the program to its end, with nothing but these variables. */
function run(args: string[], env: Record<string, string> = {}) {
  return outcome([...PROGRAM, ...args], { env, isClean: true });
}

/** Sends one line to the control socket, and returns the line that answers it. */
async function command({ socket: path }: AgentProcess, line: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const data = (_: unknown, chunk: Buffer) => resolve(chunk.toString().trimEnd());
  const socket = await Bun.connect({ unix: path, socket: { data, error: reject } });
  socket.write(`${line}\n`);
  return await promise.finally(() => socket.end());
}

/** Waits until a line of the log is there, and what came after it. */
async function logAfter(agent: AgentProcess, line: string): Promise<string[]> {
  const at = await until(line, () => agent.log.indexOf(line) + 1);
  return agent.log.slice(at);
}

describe.concurrent("the agent", () => {
  test("says that it listens, how its state changes and why it stops", async () => {
    await using agent = await start();
    expect(await agent.ask()).toBe("UP 50%\n");
    agent.signal("SIGUSR2");
    await agent.answers("DOWN 50%\n");
    await until("saved", () => agent.file() === formatState({ ...STATE, status: "DOWN" }));
    agent.change({ status: "MAINT" });
    await agent.answers("MAINT\n");
    agent.signal("SIGUSR1");
    await agent.answers("UP\n");
    expect(await agent.stop()).toBe(0);
    await agent.logs(/stopping/);
    expect(agent.log).toEqual([
      `hapgent: listening version=${version} address=${QUIET}:${agent.port} file=${agent.stateFile} reply="UP 50%"`,
      'hapgent: state cause=SIGUSR2 old="UP 50%" new="DOWN 50%"',
      'hapgent: state cause=SIGHUP old="DOWN 50%" new=MAINT',
      "hapgent: state cause=SIGUSR1 old=MAINT new=UP",
      "hapgent: stopping cause=SIGTERM",
    ]);
    expect(agent.file()).toBe(formatState({ status: "UP" }));
  });

  test("ends at SIGINT too, when a change that is under way is saved", async () => {
    await using agent = await start();
    agent.signal("SIGUSR2");
    await agent.logs(/cause=SIGUSR2/);
    expect(await agent.stop("SIGINT")).toBe(0);
    expect(agent.file()).toBe(formatState({ ...STATE, status: "DOWN" }));
    await agent.logs(/^hapgent: stopping cause=SIGINT$/);
  });

  test("speaks for services, and knows who has asked; a probe and a wrong name are nobody", async () => {
    using directory = temporaryDirectory();
    for (const name of ["web", "api"]) {
      writeFileSync(`${directory.path}/${name}.json`, '{"status":"MAINT"}');
    }
    await using agent = await start({ socket: true, env: { HAPGENT_SERVICES: directory.path } });
    expect(agent.log).toEqual([expect.stringContaining(` services=2 socket=${agent.socket}`)]);
    expect(await agent.ask({ payload: "#hapgent:api\n" })).toBe("maint 100%\n");
    expect(await agent.ask({ payload: "nothing\n" })).toBe("FAIL #no such service\n");
    expect(await agent.ask({ payload: "api\n" })).toBe("maint 100%\n");
    const pollers = await until("a poller", async () => {
      const list = JSON.parse(await command(agent, "show pollers"));
      return list.length > 0 && list;
    });
    expect(pollers).toEqual([
      {
        address: "127.0.0.1",
        sent: "api",
        age: expect.any(Number),
        reply: "maint 100%",
        isServed: true,
      },
    ]);
    expect(await agent.stop()).toBe(0);
    expect(existsSync(agent.socket)).toBe(false);
  });

  test("that watches its file answers with what is there at a check, and logs what is bad once", async () => {
    await using agent = await start({ env: { HAPGENT_WATCH: "on" } });
    writeFileSync(agent.stateFile, '{"status":"DRAIN"}');
    expect(await agent.ask()).toBe("DRAIN\n");
    writeFileSync(agent.stateFile, "{}");
    for (let i = 0; i < 3; i += 1) expect(await agent.ask()).toBe("DRAIN\n");
    writeFileSync(agent.stateFile, '{"status":"MAINT"}');
    expect(await agent.ask()).toBe("MAINT\n");
    await until("all of the log", () => agent.log.length === 4);
    expect(agent.log.slice(1)).toEqual([
      'hapgent: state cause=watch old="UP 50%" new=DRAIN',
      expect.stringContaining(": state file refused, the last good state stays cause=watch file="),
      "hapgent: state cause=watch old=DRAIN new=MAINT",
    ]);
  });

  test("answers on the socket that was passed to it", async () => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/state.json`;
    writeFileSync(file, formatState(STATE));
    const server = Bun.listen({ hostname: QUIET, port: 0, socket: { data() {} } });
    if (!("fd" in server)) throw new Error("expected a descriptor");
    const script = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"';
    const agent = Bun.spawn(["sh", "-c", script, ...PROGRAM], {
      env: { HAPGENT_STATE_FILE: file },
      stdio: ["ignore", "ignore", "pipe", Number(server.fd)],
    });
    // Nobody else accepts on it.
    server.stop();
    const log: string[] = [];
    void collectLines(agent.stderr, log);
    try {
      await until("it listens", () => log.some((line) => line.includes(" address=fd:3 ")));
      expect(await ask(server.port, { hostname: QUIET })).toBe("UP 50%\n");
    } finally {
      agent.kill();
    }
    expect(await agent.exited).toBe(0);
  });
});

describe.concurrent("a start", () => {
  test.each([
    [
      { HAPGENT_SOKET: "/run/a" },
      "unknown variable, ignored name=HAPGENT_SOKET nearest=HAPGENT_SOCKET",
    ],
    [
      { HAPGENT_REPLY: "exact", HAPGENT_STOP_STATUS: "DOWN" },
      "HAPGENT_REPLY=exact beside HAPGENT_STOP_STATUS: what HAProxy was told before stays in force",
    ],
    [
      { HAPGENT_REPLY: "exact", HAPGENT_SERVICES: "/proc/self/fdinfo" },
      "HAPGENT_REPLY=exact beside HAPGENT_SERVICES: what HAProxy was told before stays in force",
    ],
  ])("with %j warns, and goes on", async (env, warning) => {
    await using agent = await start({ env });
    expect(agent.log).toEqual([`hapgent: ${warning}`, expect.stringMatching(/: listening /)]);
    expect(await agent.ask()).toBe("UP 50%\n");
  });

  test("with full replies beside services warns of nothing", async () => {
    await using agent = await start({
      env: { HAPGENT_REPLY: "full", HAPGENT_SERVICES: "/proc/self/fdinfo" },
    });
    expect(agent.log).toEqual([expect.stringMatching(/: listening /)]);
  });

  test("with a wrong variable is over with exit code 2, on a port in use with 1", async () => {
    expect(await run([], { HAPGENT_PORT: "x" })).toEqual({
      stdout: "",
      stderr: 'hapgent: HAPGENT_PORT: expected an integer from 1 to 65535, got "x"\n',
      exitCode: 2,
    });
    await using agent = await start();
    const env = {
      HAPGENT_IP: QUIET,
      HAPGENT_PORT: String(agent.port),
      HAPGENT_STATE_FILE: agent.stateFile,
    };
    expect(await run([], env)).toEqual({
      stdout: "",
      stderr: `hapgent: cannot listen on ${QUIET}:${agent.port}: the port is in use (EADDRINUSE)\n`,
      exitCode: 1,
    });
  });

  test("whose file no disk brings says so after 5 s, and is over with exit code 1", async () => {
    const [runtime, program] = PROGRAM;
    const preload = `--preload=${import.meta.dir}/hanging-disk-fixture.ts`;
    const env = { HAPGENT_IP: QUIET, HAPGENT_STATE_FILE: "/state.json" };
    expect(await outcome([runtime, preload, program], { env, isClean: true })).toEqual({
      stdout: "",
      stderr:
        "hapgent: cannot start: /state.json was not read within 5 s: its disk hangs, " +
        "or no thread may be started (pids limit, ulimit -u, seccomp)\n",
      exitCode: 1,
    });
  });

  test("with arguments is a command, and ends with its exit code", async () => {
    expect(await run(["--version"])).toMatchObject({ stderr: "", exitCode: 0 });
    expect(await run(["check", "/nowhere"])).toEqual({
      stdout: "",
      stderr: "/nowhere: no such file or directory (ENOENT)\n",
      exitCode: 1,
    });
  });
});

describe.concurrent("a stop", () => {
  test("waits half a second for a client that does not close", async () => {
    await using agent = await start();
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const socket = { data: resolve, end() {} };
    const { hostname, port } = agent;
    const client = await Bun.connect({ hostname, port, allowHalfOpen: true, socket });
    await promise;
    const begin = performance.now();
    expect(await agent.stop()).toBe(0);
    expect(performance.now() - begin).toBeGreaterThan(450);
    client.terminate();
  });

  test("says so, and fails, when a change could not be saved", async () => {
    using directory = temporaryDirectory();
    mkdirSync(`${directory.path}/etc`);
    const stateFile = `${directory.path}/etc/state.json`;
    await using agent = await start({ stateFile });
    rmSync(`${directory.path}/etc`, { recursive: true });
    agent.signal("SIGUSR2");
    const failure = `hapgent: save failed file=${stateFile} error="no such file or directory (ENOENT)"`;
    await until("not saved", () => agent.log.includes(failure));
    expect(await agent.ask()).toBe("DOWN 50%\n");
    expect(await agent.stop()).toBe(1);
    await until("all of the log", () => agent.log.length === 5);
    expect(await logAfter(agent, failure)).toEqual([
      "hapgent: stopping cause=SIGTERM",
      `hapgent: stopped, changes may be lost file=${stateFile}`,
    ]);
  });

  test("with a stop status answers it to who has asked, until a second signal", async () => {
    const env = { HAPGENT_STOP_STATUS: "DRAIN", HAPGENT_STOP_GRACE: "3600" };
    await using agent = await start({ env });
    expect(await agent.ask()).toBe("ready up 50%\n");
    agent.signal("SIGTERM");
    await agent.logs(/stop status/);
    expect(await agent.ask()).toBe("up drain 50%\n");
    expect(await agent.stop()).toBe(0);
    await until("all of the log", () => agent.log.length === 4);
    expect(agent.log.slice(1)).toEqual([
      "hapgent: stopping cause=SIGTERM",
      'hapgent: stop status reply="up drain 50%" seconds=3600',
      "hapgent: stopping cause=SIGTERM",
    ]);
    expect(agent.file()).toBe(JSON.stringify(STATE));
  });
});
