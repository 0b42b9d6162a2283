// `hapgent deploy` as a program: what the command that it runs gets from whoever calls it, and which
// signals end it. Its steps and what it says are in test/commands/.
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { collectLines } from "../../scripts/lib/lines.ts";
import { type CommandOptions, outcome } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { serveScripted } from "../commands/scripted-agent.ts";
import { readMask } from "../proc.ts";

const PROGRAM = [EXECUTABLE, "deploy"];

/** What the agent takes as signals. */
const FOR_AGENT = ["SIGUSR1", "SIGUSR2", "SIGHUP"] as const;

/** An agent that says what a deploy hears, at a socket in a directory of its own. */
function start() {
  const directory = temporaryDirectory();
  const { path } = directory;
  const HAPGENT_SOCKET = join(path, "hapgent.sock");
  const { agent, stop } = serveScripted(HAPGENT_SOCKET);
  const env = { HAPGENT_SOCKET, HAPGENT_DEPLOY_SETTLE: "0" };
  return {
    agent,
    env,
    path,
    /** A shell command that waits until there is a file `go`. */
    waits: `until test -e ${path}/go; do sleep 0.05; done`,
    /** Runs it to its end, in that directory. */
    run: (args: readonly string[], options: CommandOptions = {}) =>
      outcome([...PROGRAM, ...args], {
        isClean: true,
        cwd: path,
        ...options,
        env: { ...env, ...options.env },
      }),
    /** Starts it with a command that says when it runs, and waits until it does. */
    async spawn(command: string) {
      const child = Bun.spawn([...PROGRAM, "v42", "sh", "-c", `echo runs >&2; ${command}`], {
        env: { PATH: Bun.env["PATH"], ...env },
        stdio: ["ignore", "ignore", "pipe"],
      });
      const log: string[] = [];
      const ended = collectLines(child.stderr, log);
      await until("the command runs", () => log.includes("runs"));
      return { child, log, ended };
    },
    [Symbol.dispose]() {
      stop();
      directory[Symbol.dispose]();
    },
  };
}

describe.concurrent("the command that a deploy runs", () => {
  test("has the caller's directory, input and output; its failure is the deploy's", async () => {
    using deployed = start();
    const args = ["v42", "sh", "-c", "pwd; cat; exit 3"];
    const { stdout, stderr, exitCode } = await deployed.run(args, { input: "typed" });
    expect({ stdout, exitCode }).toEqual({ stdout: `${deployed.path}\ntyped`, exitCode: 1 });
    expect(stderr).toContain(
      "hapgent deploy: the command failed (exit code 3): sh -c pwd; cat; exit 3; the agent says DRAIN",
    );
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
      "trap '' HUP INT",
      3n,
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

  test("may be a script that does not say what runs it", async () => {
    using deployed = start();
    writeFileSync(join(deployed.path, "deploy"), 'echo "$1"\n', { mode: 0o755 });
    const { stdout, exitCode } = await deployed.run(["v42", "./deploy", "a b"]);
    expect({ stdout, exitCode }).toEqual({ stdout: "a b\n", exitCode: 0 });
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
    const { child, log, ended } = await deployed.spawn(deployed.waits);
    expect(readFileSync(`/proc/${child.pid}/comm`, "utf8")).toBe("hapgent-deploy\n");
    for (const signal of FOR_AGENT) child.kill(signal);
    await until("all were received", () => {
      const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
      return readMask(status, "ShdPnd") === 0n;
    });
    writeFileSync(`${deployed.path}/go`, "");
    expect(await child.exited).toBe(0);
    await ended;
    expect(log.at(-1)).toStartWith("hapgent deploy: done in ");
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
    expect(await waits.stderr.text()).toStartWith("error: after 5");
  });

  test.each(["SIGINT", "SIGTERM"] as const)(
    "%s ends it once the command has ended, and it says what it leaves behind",
    async (signal) => {
      using deployed = start();
      const { child, log, ended } = await deployed.spawn(deployed.waits);
      child.kill(signal);
      await until("it says so", () => log.some((line) => line.includes("interrupted: ends once")));
      writeFileSync(`${deployed.path}/go`, "");
      expect(await child.exited).toBe(1);
      await ended;
      expect(log.at(-1)).toMatch(
        /^hapgent deploy: interrupted; the command has ended; the agent says DRAIN; .*to put it back: hapgent ctl change /,
      );
      expect(deployed.agent.get()).toStartWith("DRAIN ");
    },
  );

  test("of a terminal that is gone ends it once the command has ended", async () => {
    using deployed = start();
    const { path, agent } = deployed;
    const inner = `trap '' HUP; touch ${path}/runs; ${deployed.waits}`;
    const script = `#!/bin/sh
echo $$ >${path}/pid
exec '${EXECUTABLE}' deploy v42 sh -c "${inner}" 2>${path}/log
`;
    writeFileSync(`${path}/script`, script, { mode: 0o755 });
    const terminal = Bun.spawn(["socat", "-", `EXEC:${path}/script,pty,setsid,ctty`], {
      env: { PATH: Bun.env["PATH"], ...deployed.env },
      stdio: ["pipe", "ignore", "ignore"],
    });
    await until("the command runs", () => existsSync(`${path}/runs`));
    terminal.kill("SIGKILL");
    await terminal.exited;
    const log = () => readFileSync(`${path}/log`, "utf8");
    await until("it says so", () => log().includes("interrupted: ends once"));
    // The shell and the kernel send one each.
    process.kill(Number(readFileSync(`${path}/pid`, "utf8")), "SIGHUP");
    expect(agent.isHeld).toBeTrue();
    writeFileSync(`${path}/go`, "");
    await until("it has ended", () => !agent.isHeld);
    expect(log()).toContain("hapgent deploy: interrupted; the command has ended; ");
    expect(agent.get()).toStartWith("DRAIN ");
  });
});
