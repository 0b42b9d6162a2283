// `hapgent deploy` as a program: what the command that it runs gets from whoever calls it, and which
// signals end it. Its steps and what it says are in test/commands/.
import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { type CommandOptions, outcome } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { serveScripted } from "../commands/scripted-agent.ts";
import { readMask } from "../proc.ts";

const PROGRAM = [EXECUTABLE, "deploy"];

/** What the agent takes as signals. */
const FOR_AGENT = ["SIGUSR1", "SIGUSR2", "SIGHUP"] as const;

/** The last line of a deploy that was interrupted while its command ran. */
const INTERRUPTED =
  /^hapgent deploy: interrupted; the command has ended; the agent says DRAIN; .*to put it back: hapgent ctl change .*\n$/m;

/** An agent that says what a deploy hears, at a socket in a directory of its own. */
function start() {
  const directory = temporaryDirectory();
  const { path } = directory;
  const HAPGENT_SOCKET = join(path, "hapgent.sock");
  const { agent, stop } = serveScripted(HAPGENT_SOCKET);
  const env = { HAPGENT_SOCKET, HAPGENT_DEPLOY_SETTLE: "0" };
  const read = (name: string) => readFileSync(join(path, name), "utf8");
  return {
    agent,
    env,
    path,
    /** Runs it to its end, in that directory. */
    run: (args: readonly string[], options: CommandOptions = {}) =>
      outcome([...PROGRAM, ...args], {
        isClean: true,
        cwd: path,
        ...options,
        env: { ...env, ...options.env },
      }),
    /** Starts it, in a terminal or in none, and waits until its command runs; that waits for `go`. */
    async spawn(terminal: string[] = []) {
      const command = `trap "" HUP; echo runs >&2; until test -e go; do sleep 0.05; done`;
      const script = `#!/bin/sh
echo $$ >pid
exec '${EXECUTABLE}' deploy v42 sh -c '${command}' 2>log
`;
      writeFileSync(`${path}/script`, script, { mode: 0o755 });
      writeFileSync(`${path}/log`, "");
      const child = Bun.spawn(terminal.length > 0 ? terminal : [`${path}/script`], {
        cwd: path,
        env: { PATH: Bun.env["PATH"], ...env },
        stdio: ["pipe", "ignore", "ignore"],
      });
      await until("the command runs", () => read("log").includes("runs\n"));
      return child;
    },
    read,
    go: () => writeFileSync(`${path}/go`, ""),
    [Symbol.dispose]() {
      stop();
      directory[Symbol.dispose]();
    },
  };
}

describe.concurrent("the command that a deploy runs", () => {
  test("has the caller's directory, input and output, as a script that says not what runs it, too", async () => {
    using deployed = start();
    writeFileSync(join(deployed.path, "deploy"), 'pwd; cat; echo "$1"; exit 3\n', { mode: 0o755 });
    const args = ["v42", "./deploy", "a b"];
    const { stdout, stderr, exitCode } = await deployed.run(args, { input: "typed " });
    expect({ stdout, exitCode }).toEqual({
      stdout: `${deployed.path}\ntyped a b\n`,
      exitCode: 1,
    });
    const failed = "hapgent deploy: the command failed (exit code 3): ./deploy a b; ";
    expect(stderr).toContain(`${failed}the agent says DRAIN`);
  });

  test("has the caller's variables, and none of the runtime's tuned ones", async () => {
    using deployed = start();
    const tuned = { ...TUNED, HAPGENT_TUNE: "off" };
    const own = { MINE: "yes", UV_THREADPOOL_SIZE: "16", http_proxy: "http://nowhere/" };
    const { stdout } = await deployed.run(["v42", "env"], { env: { ...tuned, ...own } });
    const lines = stdout.split("\n");
    for (const [name, value] of Object.entries({ ...own, ...deployed.env })) {
      expect(lines).toContain(`${name}=${value}`);
    }
    for (const [name, value] of Object.entries(tuned))
      expect(lines).not.toContain(`${name}=${value}`);
  });

  test.each([
    ["has the default action of every signal", "", 0n],
    [
      "ignores what the caller has it ignore: nohup, a job in the background",
      "trap '' HUP INT QUIT USR1 USR2 TERM",
      0x4a07n,
    ],
  ])("%s", async (_, trap, ignored) => {
    using deployed = start();
    const args = ["sh", ...PROGRAM, "v42", "cat", "/proc/self/status"];
    const { stdout } = await outcome(["sh", "-c", `${trap}\nexec "$@"`, ...args], {
      isClean: true,
      env: deployed.env,
    });
    expect([readMask(stdout, "SigIgn"), readMask(stdout, "SigBlk")]).toEqual([ignored, 0n]);
  });

  test("may remove the directory that it runs in, and make it anew", async () => {
    using deployed = start();
    const cwd = join(deployed.path, "release");
    mkdirSync(cwd);
    const remake = ["sh", "-c", `rm -rf ${cwd} && mkdir ${cwd} && touch ${cwd}/new`];
    const args = ["--until", "test -e new", "--answer=2", "v42", ...remake];
    expect((await deployed.run(args, { cwd })).exitCode).toBe(0);
    expect((await deployed.run(["v42", "rm", "-rf", cwd], { cwd })).exitCode).toBe(0);
  });
});

test("a deploy asks a service of this machine itself, without the proxy that the caller has", async () => {
  using deployed = start();
  await using service = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  const env = { http_proxy: "http://127.0.0.1:1/", HTTP_PROXY: "http://127.0.0.1:1/" };
  const probes = ["--url", `${service.url}`, "--until", "echo no output", "--answer=0"];
  const ended = await deployed.run([...probes, "v42", "true"], { env });
  expect(ended).toMatchObject({ exitCode: 0, stdout: "" });
});

describe.concurrent("a signal", () => {
  test("for the agent lets a deploy go on, and pkill -x hapgent passes it by", async () => {
    using deployed = start();
    const child = await deployed.spawn();
    expect(readFileSync(`/proc/${child.pid}/comm`, "utf8")).toBe("hapgent-deploy\n");
    for (const signal of FOR_AGENT) child.kill(signal);
    await until("all were received", () => {
      const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
      return readMask(status, "ShdPnd") === 0n;
    });
    deployed.go();
    expect(await child.exited).toBe(0);
    expect(deployed.read("log")).toMatch(/^hapgent deploy: done in .*\n$/m);
  });

  test("for the agent does not end a control command that waits", async () => {
    await using agent = await startAgent({ state: { status: "UP" }, socket: true });
    const waits = Bun.spawn([EXECUTABLE, "ctl", "wait", "5"], {
      env: { HAPGENT_SOCKET: agent.socket },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const name = () => readFileSync(`/proc/${waits.pid}/comm`, "utf8");
    await until("it has its name", () => name() === "hapgent-ctl\n");
    for (const signal of FOR_AGENT) waits.kill(signal);
    expect(await waits.exited).toBe(1);
    expect(await waits.stderr.text()).toStartWith("error: after ");
  });

  test.each([
    ["SIGINT", []],
    ["SIGTERM", []],
    ["SIGQUIT", []],
    ["SIGHUP, of a terminal that is gone,", ["socat", "-", "EXEC:./script,pty,setsid,ctty"]],
  ])(
    "%s ends it once the command has ended, and it says what it leaves behind",
    async (name, terminal) => {
      using deployed = start();
      const { agent } = deployed;
      const child = await deployed.spawn(terminal);
      child.kill(terminal.length > 0 ? "SIGKILL" : (name as NodeJS.Signals));
      await until("it says so", () => deployed.read("log").includes("interrupted: ends once"));
      // The shell of a terminal and the kernel send one each; without one it changes nothing.
      process.kill(Number(deployed.read("pid")), "SIGHUP");
      expect(agent.isHeld).toBeTrue();
      deployed.go();
      await until("it has ended", () => !agent.isHeld);
      expect(deployed.read("log")).toMatch(INTERRUPTED);
      expect(agent.get()).toStartWith("DRAIN ");
    },
  );
});
