// `hapgent deploy` as a program: what the command that it runs gets from whoever calls it, which
// signals end it, and what its exit code and last line say.
import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { collectLines } from "../../scripts/lib/lines.ts";
import { outcome } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { serveScripted } from "../commands/scripted-agent.ts";

const PROGRAM = [EXECUTABLE, "deploy"];

/** An agent that says what a deploy hears, at a socket in a directory of its own. */
function start() {
  const directory = temporaryDirectory();
  const socket = join(directory.path, "hapgent.sock");
  const { agent, stop } = serveScripted(socket);
  const env = { HAPGENT_SOCKET: socket, HAPGENT_DEPLOY_SETTLE: "0" };
  return {
    agent,
    env,
    path: directory.path,
    /** A shell command that waits until there is a file `go`. */
    waits: `until test -e ${directory.path}/go; do sleep 0.05; done`,
    /** Runs it to its end. */
    run: (args: readonly string[], options: { env?: Record<string, string>; cwd?: string } = {}) =>
      outcome([...PROGRAM, ...args], {
        isClean: true,
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

/** The signals of a kind (`SigIgn`) in the text of a process's status, as a number. */
function readMask(status: string, name: string): bigint {
  return BigInt(`0x${new RegExp(`^${name}:\\s*(\\S+)`, "m").exec(status)?.[1] ?? "0"}`);
}

describe.concurrent("the command that a deploy runs", () => {
  test("has the caller's directory, input, output and exit code", async () => {
    using deployed = start();
    const child = Bun.spawn([...PROGRAM, "v42", "sh", "-c", "pwd; cat; exit 3"], {
      cwd: deployed.path,
      env: { PATH: Bun.env["PATH"], ...deployed.env },
      stdio: [Buffer.from("typed"), "pipe", "pipe"],
    });
    expect(await child.stdout.text()).toBe(`${deployed.path}\ntyped`);
    expect(await child.exited).toBe(1);
    expect(await child.stderr.text()).toContain(
      "hapgent deploy: the command failed (exit code 3): sh -c pwd; cat; exit 3; the agent says DRAIN",
    );
  });

  test("has the caller's variables, and none of the runtime's tuned ones", async () => {
    using deployed = start();
    const env = { ...TUNED, HAPGENT_TUNE: "off", MINE: "yes", http_proxy: "http://nowhere/" };
    const url = "http://127.0.0.1:1/";
    const { stdout } = await deployed.run(["--url", url, "--answer=0", "v42", "env"], { env });
    const lines = stdout.split("\n");
    expect(lines).toContain("MINE=yes");
    expect(lines).toContain("http_proxy=http://nowhere/");
    expect(lines).toContain(`HAPGENT_SOCKET=${deployed.env.HAPGENT_SOCKET}`);
    const tuned = new RegExp(`^(${Object.keys(TUNED).join("|")}|HAPGENT_TUNE)=`);
    expect(lines.filter((line) => tuned.test(line))).toEqual([]);
  });

  test("keeps a variable of that name that is the caller's own", async () => {
    using deployed = start();
    const { stdout } = await deployed.run(["v42", "env"], { env: { UV_THREADPOOL_SIZE: "16" } });
    expect(stdout.split("\n")).toContain("UV_THREADPOOL_SIZE=16");
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
    const script = join(deployed.path, "deploy");
    writeFileSync(script, 'echo "$1"\n');
    chmodSync(script, 0o755);
    const { stdout, exitCode } = await deployed.run(["v42", "./deploy", "a b"], {
      cwd: deployed.path,
    });
    expect({ stdout, exitCode }).toEqual({ stdout: "a b\n", exitCode: 0 });
  });

  test("may remove the directory that it runs in, and make it anew", async () => {
    using deployed = start();
    const cwd = join(deployed.path, "release");
    mkdirSync(cwd);
    const { exitCode: gone } = await deployed.run(["v42", "rm", "-rf", cwd], { cwd });
    mkdirSync(cwd);
    const remake = `rm -rf ${cwd} && mkdir ${cwd} && touch ${cwd}/new`;
    const { exitCode: anew } = await deployed.run(
      ["--until", "test -e new", "--answer=2", "v42", "sh", "-c", remake],
      { cwd },
    );
    expect({ gone, anew }).toEqual({ gone: 0, anew: 0 });
  });
});

test("a deploy asks a service of this machine itself, without the proxy that the caller has", async () => {
  using deployed = start();
  await using service = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  const env = { http_proxy: "http://127.0.0.1:1/", HTTP_PROXY: "http://127.0.0.1:1/" };
  const args = [
    "--url",
    `${service.url}`,
    "--until",
    "echo no output",
    "--answer=0",
    "v42",
    "true",
  ];
  expect(await deployed.run(args, { env })).toMatchObject({ exitCode: 0, stdout: "" });
});

test.each([
  [
    ["deploying", "v42-nowhere", "restart"],
    2,
    'nothing was changed: no such command: "v42-nowhere" (is REASON one word, or quoted?)',
  ],
  [
    ["v42", "true"],
    3,
    "nothing was changed: no answer from /nowhere/hapgent.sock: no such file or directory (ENOENT)",
  ],
])("a deploy that is refused is one line: %j", async (args, exitCode, text) => {
  using deployed = start();
  const env = { HAPGENT_SOCKET: "/nowhere/hapgent.sock" };
  const stderr = `hapgent deploy: ${text}\n`;
  expect(await deployed.run(args, { env })).toEqual({ exitCode, stdout: "", stderr });
});

describe.concurrent("a signal", () => {
  test("for the agent lets a deploy go on, and pkill -x hapgent passes it by", async () => {
    using deployed = start();
    const { child, log, ended } = await deployed.spawn(deployed.waits);
    expect(readFileSync(`/proc/${child.pid}/comm`, "utf8")).toBe("hapgent-deploy\n");
    for (const signal of ["SIGUSR1", "SIGUSR2", "SIGHUP"] as const) child.kill(signal);
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
    await using agent = await startAgent({ state: { status: "UP" }, socket: true, env: TUNED });
    const waits = Bun.spawn([EXECUTABLE, "ctl", "wait", "1"], {
      env: { HAPGENT_SOCKET: agent.socket },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const name = () => readFileSync(`/proc/${waits.pid}/comm`, "utf8");
    await until("it has its name", () => name() === "hapgent-ctl\n");
    for (const signal of ["SIGUSR1", "SIGUSR2", "SIGHUP"] as const) waits.kill(signal);
    expect(await waits.exited).toBe(1);
    expect(await waits.stderr.text()).toStartWith("error: after 1");
  });

  test.each(["SIGINT", "SIGTERM"] as const)(
    "%s ends it once the command has ended, and it says what it leaves behind",
    async (signal) => {
      using deployed = start();
      const { child, log, ended } = await deployed.spawn(deployed.waits);
      process.kill(child.pid, signal);
      await until("it says so", () => log.some((line) => line.includes("interrupted: ends once")));
      writeFileSync(`${deployed.path}/go`, "");
      expect(await child.exited).toBe(1);
      await ended;
      expect(log.at(-1)).toMatch(
        /^hapgent deploy: interrupted; the agent says DRAIN; .*to put it back: hapgent ctl change /,
      );
      expect(deployed.agent.get()).toStartWith("DRAIN ");
    },
  );

  test("of a terminal that is gone ends it once the command has ended", async () => {
    using deployed = start();
    const script = join(deployed.path, "script");
    const inner = `trap '' HUP; touch ${deployed.path}/runs; ${deployed.waits}`;
    const program = PROGRAM.map((word) => `'${word}'`).join(" ");
    writeFileSync(script, `#!/bin/sh\nexec ${program} v42 sh -c "${inner}"\n`);
    chmodSync(script, 0o755);
    const terminal = Bun.spawn(["socat", "-", `EXEC:${script},pty,setsid,ctty`], {
      env: { PATH: Bun.env["PATH"], ...deployed.env },
      stdio: ["pipe", "ignore", "ignore"],
    });
    await until("the command runs", () => existsSync(`${deployed.path}/runs`));
    terminal.kill("SIGKILL");
    await terminal.exited;
    expect(deployed.agent.isHeld).toBeTrue();
    writeFileSync(`${deployed.path}/go`, "");
    await until("it has ended", () => !deployed.agent.isHeld);
    expect(deployed.agent.get()).toStartWith("DRAIN ");
  });
});
