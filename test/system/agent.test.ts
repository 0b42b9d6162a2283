// - The compiled agent keeps what the original promises: its environment, state file, signals
//   and the bytes of its replies.
// - A state file that is refused makes the reply FAIL and never ends the agent.
import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { version } from "../../package.json";
import { runAgent, startAgent } from "../../scripts/lib/agent.ts";
import { ask } from "../../scripts/lib/check.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { formatState } from "../../src/state/state.ts";

describe("the command line", () => {
  test("--version and --help print on stdout and exit 0", async () => {
    const versionRun = await runAgent(["--version"]);
    expect(versionRun).toMatchObject({ stderr: "", exitCode: 0 });
    expect(versionRun.stdout).toStartWith(`hapgent ${version}`);
    const helpRun = await runAgent(["--help"]);
    expect(helpRun).toMatchObject({ stderr: "", exitCode: 0 });
    expect(helpRun.stdout).toContain("HAPGENT_STATE_FILE");
  });

  test("anything else prints the usage on stderr and exits 2", async () => {
    const { stdout, stderr, exitCode } = await runAgent(["--port", "80"]);
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 2 });
    expect(stderr).toContain('got "--port 80"\nusage: hapgent');
  });

  test.each([
    ["HAPGENT_PORT", "9777abc", 'expected an integer from 1 to 65535, got "9777abc"'],
    ["HAPGENT_PORT", "70000", 'expected an integer from 1 to 65535, got "70000"'],
    ["HAPGENT_IP", "everywhere", 'expected an IPv4 or IPv6 address, got "everywhere"'],
    ["HAPGENT_STATE_FILE", "", 'expected the path of a file, got ""'],
  ])("%s=%s ends it with exit code 2 and one line", async (name, value, message) => {
    expect(await runAgent([], { [name]: value })).toEqual({
      stdout: "",
      stderr: `hapgent: ${name}: ${message}\n`,
      exitCode: 2,
    });
  });

  test.each([
    ["127.0.0.1", "the port is in use (EADDRINUSE)"],
    ["192.0.2.1", "address not available (EADDRNOTAVAIL)"],
  ])("an address that cannot be bound (%s) ends it with exit code 1", async (ip, reason) => {
    using directory = temporaryDirectory();
    writeFileSync(`${directory.path}/state.json`, '{"status":"UP"}');
    using other = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const { stderr, exitCode } = await runAgent([], {
      HAPGENT_IP: ip,
      HAPGENT_PORT: String(other.port),
      HAPGENT_STATE_FILE: `${directory.path}/state.json`,
    });
    expect(exitCode).toBe(1);
    expect(stderr.trimEnd().split("\n").at(-1)).toBe(
      `hapgent: cannot listen on ${ip}:${other.port}: ${reason}`,
    );
    expect(stderr).not.toContain("    at ");
  });

  test("a .env and a bunfig.toml in the working directory are not read", async () => {
    using directory = temporaryDirectory();
    writeFileSync(`${directory.path}/.env`, "HAPGENT_PORT=none\n");
    writeFileSync(`${directory.path}/bunfig.toml`, 'preload = ["./evil.ts"]\n');
    writeFileSync(`${directory.path}/evil.ts`, "process.exit(66);\n");
    const { exitCode } = await runAgent(["--version"], {}, directory.path);
    expect(exitCode).toBe(0);
    const { stderr } = await runAgent([], { HAPGENT_IP: "none" }, directory.path);
    expect(stderr).toStartWith("hapgent: HAPGENT_IP:");
  });
});

describe("an agent", () => {
  test("says where it listens, on what file and with which reply", async () => {
    await using agent = await startAgent({ state: { status: "READY", weight: 75, maxconn: 1000 } });
    expect(await agent.logs(/listening/)).toBe(
      `hapgent: listening version=${version} address=127.0.0.1:${agent.port} ` +
        `file=${agent.stateFile} reply="READY 75% maxconn:1000"`,
    );
    expect(await agent.ask()).toBe("READY 75% maxconn:1000\n");
  });

  test("warns of a variable that it does not know, with the nearest name", async () => {
    const env = { HAPGENT_SOKET: "/run/hapgent/hapgent.sock" };
    await using agent = await startAgent({ state: { status: "UP" }, env });
    expect(agent.log.filter((line) => line.includes("unknown"))).toEqual([
      "hapgent: unknown variable, ignored name=HAPGENT_SOKET nearest=HAPGENT_SOCKET",
    ]);
  });

  test("answers over IPv6", async () => {
    await using agent = await startAgent({ state: { status: "UP" }, hostname: "::1" });
    expect(await agent.ask()).toBe("UP\n");
    expect(await agent.logs(/listening/)).toContain(`address=[::1]:${agent.port}`);
  });

  test("ignores what the client sends", async () => {
    await using agent = await startAgent({ state: { status: "UP" } });
    for (const payload of ["", "hello\n", "GET / HTTP/1.1\r\n\r\n", "x".repeat(100_000)]) {
      expect(await agent.ask({ payload })).toBe("UP\n");
    }
  });

  test("SIGUSR1 and SIGUSR2 set UP and DOWN, keep the weight and save the state", async () => {
    const state = { status: "MAINT", weight: 20, maxconn: 30 } as const;
    await using agent = await startAgent({ state });
    agent.signal("SIGUSR1");
    await agent.answers("UP 20% maxconn:30\n");
    await until("saved", () => agent.file() === formatState({ ...state, status: "UP" }));
    agent.signal("SIGUSR2");
    await agent.answers("DOWN 20% maxconn:30\n");
    await until("saved", () => agent.file() === formatState({ ...state, status: "DOWN" }));
    expect(await agent.logs(/SIGUSR2/)).toBe(
      'hapgent: state cause=SIGUSR2 old="UP 20% maxconn:30" new="DOWN 20% maxconn:30"',
    );
  });

  test("SIGHUP reads the file again", async () => {
    await using agent = await startAgent({ state: { status: "UP" } });
    writeFileSync(agent.stateFile, '{"status":"DRAIN","weight":1}');
    expect(await agent.ask()).toBe("UP\n");
    agent.signal("SIGHUP");
    await agent.answers("DRAIN 1%\n");
  });

  test("keeps its state over a restart", async () => {
    await using first = await startAgent({ state: { status: "UP", weight: 7 } });
    first.signal("SIGUSR2");
    await until("saved", () => first.file().includes("DOWN"));
    await first.stop();
    await using second = await startAgent({ stateFile: first.stateFile });
    expect(await second.ask()).toBe("DOWN 7%\n");
  });

  test("ends with memory, file and reply alike after 1,000 mixed signals", async () => {
    await using agent = await startAgent({ state: { status: "UP", weight: 42 } });
    const signals = ["SIGUSR1", "SIGHUP", "SIGUSR2"] as const;
    for (let i = 0; i < 1000; i += 1) {
      agent.signal(signals[Math.floor(Math.random() * 3)] ?? "SIGHUP");
      if (i % 50 === 0) await agent.ask();
    }
    agent.signal("SIGUSR1");
    await agent.answers("UP 42%\n");
    await until("saved", () => agent.file() === formatState({ status: "UP", weight: 42 }));
    agent.signal("SIGHUP");
    await agent.logs(/cause=SIGHUP old="UP 42%" new="UP 42%"/);
    expect(await agent.ask()).toBe("UP 42%\n");
  });

  test.each(["SIGTERM", "SIGINT"] as const)(
    "%s ends it with exit code 0 in a second",
    async (name) => {
      await using agent = await startAgent({ state: { status: "UP" } });
      // A client that holds its connection open does not hold the agent.
      const client = await Bun.connect({
        hostname: "127.0.0.1",
        port: agent.port,
        allowHalfOpen: true,
        socket: { data() {} },
      });
      const start = performance.now();
      expect(await agent.stop(name)).toBe(0);
      expect(performance.now() - start).toBeLessThan(1000);
      client.end();
      await expect(ask(agent.port)).rejects.toThrow();
    },
  );

  test("saves what it was told just before it was stopped", async () => {
    await using agent = await startAgent({ state: { status: "UP" } });
    agent.signal("SIGUSR2");
    await agent.answers("DOWN\n");
    expect(await agent.stop()).toBe(0);
    expect(agent.file()).toBe(formatState({ status: "DOWN" }));
  });

  test("stops, reloads and sets as PID 1 too", async () => {
    const launcher = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    await using agent = await startAgent({ state: { status: "UP" }, launcher });
    const children = `/proc/${agent.pid}/task/${agent.pid}/children`;
    const pid = Number(readFileSync(children, "utf8"));
    expect(readFileSync(`/proc/${pid}/status`, "utf8")).toMatch(/^NSpid:\t\d+\t1$/m);
    process.kill(pid, "SIGUSR2");
    await agent.answers("DOWN\n");
    const start = performance.now();
    process.kill(pid, "SIGTERM");
    expect(await agent.process.exited).toBe(0);
    expect(performance.now() - start).toBeLessThan(1000);
  });
});

describe("a state file that is refused", () => {
  test.each<[string, string, (file: string) => void]>([
    ["nothing there", "no such file or directory", (file) => rmSync(file)],
    ["empty", "expected a JSON object, got nothing", (file) => writeFileSync(file, "")],
    [
      "half",
      "1:11: expected a value, got the end of the file",
      (file) => writeFileSync(file, '{"status":'),
    ],
    [
      "a wrong status",
      'status: expected one of UP, DOWN, READY, DRAIN, FAIL, MAINT, STOPPED, got "up"',
      (file) => writeFileSync(file, '{"status":"up"}'),
    ],
    [
      "an unknown field",
      '"wait": expected no field but status, weight, maxconn, reason',
      (file) => writeFileSync(file, '{"status":"UP","wait":1}'),
    ],
    ["too large", "expected at most 65536 bytes", (file) => truncateSync(file, 65_537)],
    [
      "a directory",
      "expected a regular file",
      (file) => {
        rmSync(file);
        mkdirSync(file);
      },
    ],
    [
      "a FIFO",
      "expected a regular file",
      (file) => {
        rmSync(file);
        Bun.spawnSync(["mkfifo", file]);
      },
    ],
  ])("because it is %s makes the reply FAIL and is logged", async (_, reason, spoil) => {
    await using agent = await startAgent({ state: { status: "UP", weight: 5 } });
    spoil(agent.stateFile);
    agent.signal("SIGHUP");
    await agent.answers("FAIL\n");
    const line = await agent.logs(/refused/);
    expect(line).toContain(`cause=SIGHUP file=${agent.stateFile} error=`);
    expect(line.replaceAll("\\", "")).toContain(reason.replaceAll("\\", ""));
    // The previous state is discarded, the weight with it.
    agent.signal("SIGUSR1");
    await agent.answers("UP\n");
  });

  test("does not keep it from starting", async () => {
    await using agent = await startAgent({ state: "no JSON" });
    expect(await agent.ask()).toBe("FAIL\n");
    agent.signal("SIGUSR1");
    await until("set aside", () => Bun.file(`${agent.stateFile}.rejected`).exists());
    expect(readFileSync(`${agent.stateFile}.rejected`, "utf8")).toBe("no JSON");
  });
});

test("a client that never closes is closed after 1 to 5 seconds", async () => {
  await using agent = await startAgent({ state: { status: "UP" } });
  const { promise: closed, resolve } = Promise.withResolvers<number>();
  const start = performance.now();
  await Bun.connect({
    hostname: "127.0.0.1",
    port: agent.port,
    allowHalfOpen: true,
    socket: {
      data() {},
      end() {},
      error() {},
      close: () => resolve(performance.now() - start),
    },
  });
  const age = await closed;
  expect(age).toBeGreaterThan(950);
  expect(age).toBeLessThan(5500);
});
