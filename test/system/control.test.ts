import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { runAgent, startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { countSockets, readUsage } from "../../scripts/lib/proc.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { formatState, type State } from "../../src/state/state.ts";
import { askFrom, Client, QUIET } from "./client.ts";

const COMMANDS =
  "show state | show pollers | set status STATUS [REASON] | set weight N | set maxconn N | " +
  "reload | wait SECONDS | help";

/** An agent with a control socket. */
function startControlled(state: State | string = { status: "UP" }) {
  return startAgent({ state, socket: true, env: TUNED, hostname: QUIET });
}

describe.concurrent("the control socket", () => {
  test("has mode 0600 whatever the umask, is in the log, is gone after SIGTERM", async () => {
    const launcher = ["sh", "-c", 'umask 0; exec "$@"', "sh"];
    await using agent = await startAgent({ state: { status: "UP" }, socket: true, launcher });
    expect(await agent.logs(/listening/)).toEndWith(` socket=${agent.socket}`);
    expect(statSync(agent.socket).mode & 0o7777).toBe(0o600);
    // The umask is that of before again: a new state file is for all to read.
    rmSync(agent.stateFile);
    expect(await agent.ctl("set", "status", "DOWN")).toMatchObject({ exitCode: 0 });
    expect(statSync(agent.stateFile).mode & 0o7777).toBe(0o644);
    expect(await agent.stop()).toBe(0);
    expect(existsSync(agent.socket)).toBe(false);
  });

  test("that a killed agent has left is taken over", async () => {
    await using killed = await startControlled();
    await killed.stop("SIGKILL");
    expect(statSync(killed.socket).isSocket()).toBe(true);
    await using agent = await startAgent({
      state: { status: "MAINT" },
      env: { ...TUNED, HAPGENT_SOCKET: killed.socket },
    });
    expect((await killed.ctl("show", "state")).stdout).toContain("MAINT");
    expect(statSync(killed.socket).mode & 0o7777).toBe(0o600);
    expect(await agent.stop()).toBe(0);
  });

  test("of a live agent is refused, also when that agent stands still", async () => {
    await using live = await startControlled();
    for (const signal of ["SIGCONT", "SIGSTOP"] as const) {
      live.signal(signal);
      expect(await refuse(live.socket)).toBe("another agent serves it");
    }
    live.signal("SIGCONT");
    expect((await live.ctl("show", "state")).exitCode).toBe(0);
  });

  test.each<[string, string, (path: string) => void]>([
    ["a file", "it is not a socket", (path) => writeFileSync(path, "mine")],
    ["a directory", "it is not a socket", (path) => mkdirSync(path)],
    ["below no directory", "no such file or directory (ENOENT)", () => undefined],
  ])("at a path that is %s is refused, and the path left alone", async (kind, reason, make) => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/${kind === "below no directory" ? "no/" : ""}path`;
    make(path);
    expect(await refuse(path)).toBe(reason);
    if (kind === "a file") expect(readFileSync(path, "utf8")).toBe("mine");
    else expect(existsSync(path)).toBe(kind === "a directory");
  });

  test("answers `show` with one line of JSON", async () => {
    const state = { status: "DOWN", weight: 5, maxconn: 7, reason: 'a "b"' } as const;
    await using agent = await startControlled(state);
    expect(await agent.ctl("show", "pollers")).toEqual(good("[]"));
    await askFrom("127.0.0.2", agent);
    await agent.ask();
    const shown = JSON.stringify({ state, reply: 'DOWN 5% maxconn:7 #a "b"' });
    expect(await agent.ctl("show", "state")).toEqual(good(shown));
    const { stdout } = await agent.ctl("show", "pollers");
    expect(stdout).toMatch(/^[^\n]+\n$/);
    const reply = 'DOWN 5% maxconn:7 #a "b"';
    expect(JSON.parse(stdout)).toEqual([
      { address: "127.0.0.2", age: expect.any(Number), reply },
      { address: "127.0.0.1", age: expect.any(Number), reply },
    ]);
  });

  test("knows no poller whose connection was reset before it was served", async () => {
    await using agent = await startControlled();
    for (let i = 0; i < 100; i += 1) {
      const client = await Bun.connect({
        hostname: agent.hostname,
        port: agent.port,
        socket: { data: () => undefined },
      });
      client.terminate();
    }
    await askFrom("127.0.0.2", agent);
    const { stdout } = await agent.ctl("show", "pollers");
    const addresses: unknown[] = JSON.parse(stdout).map(
      (poller: { address: unknown }) => poller.address,
    );
    expect(addresses.filter((address) => typeof address !== "string")).toEqual([]);
    expect(addresses).toContain("127.0.0.2");
  });

  test("saves every change before its answer, and what it does not name stays", async () => {
    await using agent = await startControlled({ status: "DOWN", weight: 5, reason: "old" });
    const steps: [string[], string, State][] = [
      [["set", "weight", "50"], "DOWN 50% #old", { status: "DOWN", weight: 50, reason: "old" }],
      [
        ["set", "maxconn", "0"],
        "DOWN 50% maxconn:0 #old",
        { status: "DOWN", weight: 50, maxconn: 0, reason: "old" },
      ],
      [
        ["set", "status", "FAIL", "deploying v42"],
        "FAIL 50% maxconn:0 #deploying v42",
        { status: "FAIL", weight: 50, maxconn: 0, reason: "deploying v42" },
      ],
      [["set", "status", "UP"], "UP 50% maxconn:0", { status: "UP", weight: 50, maxconn: 0 }],
    ];
    using client = await Client.connect(agent.socket);
    for (const [i, [command, reply, state]] of steps.entries()) {
      client.send(`${command.join(" ")}\n`);
      // Read in the moment of the answer.
      expect((await client.answers(i + 1)).at(-1)).toBe(`ok saved: ${reply}`);
      expect(agent.file()).toBe(formatState(state));
      expect(await agent.ask()).toBe(`${reply}\n`);
    }
  });

  test("`reload` answers how it went", async () => {
    await using agent = await startControlled();
    writeFileSync(agent.stateFile, '{"status":"DRAIN"}');
    expect(await agent.ctl("reload")).toEqual(good("ok loaded: DRAIN"));
    rmSync(agent.stateFile);
    expect(await agent.ctl("reload")).toEqual(
      bad("error: refused: no such file or directory (ENOENT); the reply is FAIL"),
    );
  });

  test("tells that a save failed, and answers the new state all the same", async () => {
    using directory = temporaryDirectory();
    const stateFile = `${directory.path}/no/state.json`;
    await using agent = await startAgent({ stateFile, socket: true, env: TUNED });
    const failed = bad(
      "error: not saved: no such file or directory (ENOENT); the reply is DRAIN 5%",
    );
    expect(await agent.ctl("set", "weight", "5")).toEqual(
      bad("error: not saved: no such file or directory (ENOENT); the reply is FAIL 5%"),
    );
    expect(await agent.ctl("set", "status", "DRAIN")).toEqual(failed);
    expect(await agent.ask()).toBe("DRAIN 5%\n");
    mkdirSync(`${directory.path}/no`);
    expect(await agent.ctl("set", "status", "DRAIN")).toEqual(good("ok saved: DRAIN 5%"));
  });

  test("tells that a save was made in place", async () => {
    using directory = temporaryDirectory();
    const stateFile = `${directory.path}/state.json`;
    writeFileSync(stateFile, '{"status":"UP"}');
    const mount = `mount --bind ${stateFile} ${stateFile}; exec "$@"`;
    const launcher = ["unshare", "--mount", "--propagation=private", "sh", "-ec", mount, "sh"];
    await using agent = await startAgent({ stateFile, socket: true, launcher, env: TUNED });
    const answer = good("ok saved in place: in use, or a mount point (EBUSY): DOWN");
    expect(await agent.ctl("set", "status", "DOWN")).toEqual(answer);
    expect(agent.file()).toBe(formatState({ status: "DOWN" }));
  });

  test("answers a save that is under way at SIGTERM", async () => {
    for (let round = 0; round < 5; round += 1) {
      await using agent = await startControlled();
      using client = await Client.connect(agent.socket);
      client.send("set status DOWN\n");
      await agent.answers("DOWN\n");
      agent.signal("SIGTERM");
      expect(await client.closed()).toBe("ok saved: DOWN\n");
      expect(await agent.process.exited).toBe(0);
    }
  });

  test("keeps the order of its commands, and of signals between them", async () => {
    await using agent = await startControlled();
    using client = await Client.connect(agent.socket);
    const weights = Array.from({ length: 100 }, (_, i) => i + 1);
    client.send(weights.map((weight) => `set weight ${weight}\n`).join(""));
    const answers = await client.answers(100);
    expect(answers).toEqual(weights.map((weight) => `ok saved: UP ${weight}%`));
    expect(agent.file()).toBe(formatState({ status: "UP", weight: 100 }));

    // A signal in the middle of a save, then a command: each to its end, in the order in which they
    // came.
    const sequence: ["SIGUSR1" | "SIGUSR2", string][] = [
      ["SIGUSR2", "MAINT"],
      ["SIGUSR1", "DRAIN"],
      ["SIGUSR2", "READY"],
    ];
    for (const [signal, status] of sequence) {
      agent.signal(signal);
      await agent.answers(signal === "SIGUSR1" ? "UP 100%\n" : "DOWN 100%\n");
      expect(await agent.ctl("set", "status", status)).toEqual(good(`ok saved: ${status} 100%`));
      expect(agent.file()).toContain(status);
    }
    const causes = agent.log.flatMap(
      (line) => /cause=(\w+) .*new="(\w+) 100%"/.exec(line)?.slice(1) ?? [],
    );
    expect(causes.slice(-12)).toEqual(
      sequence.flatMap(([signal, status]) => [
        signal,
        signal === "SIGUSR1" ? "UP" : "DOWN",
        "socket",
        status,
      ]),
    );
  });

  test("ends with memory, file and reply alike after signals and commands at once", async () => {
    await using agent = await startControlled({ status: "UP", weight: 1 });
    using client = await Client.connect(agent.socket);
    for (let i = 0; i < 200; i += 1) {
      agent.signal((["SIGUSR1", "SIGUSR2", "SIGHUP"] as const)[i % 3] ?? "SIGHUP");
      client.send(i % 2 ? `set weight ${i}\n` : "set status DRAIN\n");
    }
    const answers = await client.answers(200);
    expect(answers.filter((answer) => !answer.startsWith("ok saved: "))).toEqual([]);
    client.send("set status READY\n");
    await client.answers(201);
    expect(agent.file()).toBe(formatState({ status: "READY", weight: 199 }));
    agent.signal("SIGHUP");
    await agent.logs(/cause=SIGHUP old="READY 199%" new="READY 199%"/);
    expect(await agent.ask()).toBe("READY 199%\n");
  });
});

describe.concurrent("a client of the control socket", () => {
  test.each([
    ["", `error: expected ${COMMANDS}, got ""`],
    ["show", `error: expected ${COMMANDS}, got "show"`],
    ["show nothing", `error: expected ${COMMANDS}, got "show nothing"`],
    ["show state now", `error: expected ${COMMANDS}, got "show state now"`],
    ["SHOW STATE", `error: expected ${COMMANDS}, got "SHOW STATE"`],
    ["set", `error: expected ${COMMANDS}, got "set"`],
    ["set color 5", `error: expected ${COMMANDS}, got "set color 5"`],
    [
      "set status",
      'error: status: expected one of UP, DOWN, READY, DRAIN, FAIL, MAINT, STOPPED, got ""',
    ],
    [
      "set status down",
      'error: status: expected one of UP, DOWN, READY, DRAIN, FAIL, MAINT, STOPPED, got "down"',
    ],
    [
      "set status DOWN caf\u00e9",
      'error: reason: expected at most 100 printable ASCII characters, got "caf\u00c3\u00a9"',
    ],
    [
      `set status DOWN ${"x".repeat(101)}`,
      `error: reason: expected at most 100 printable ASCII characters, got "${"x".repeat(60)}..."`,
    ],
    [
      "set status DOWN a\x07b",
      'error: reason: expected at most 100 printable ASCII characters, got "a\\u0007b"',
    ],
    ["set weight", 'error: weight: expected an integer from 0 to 255, got ""'],
    ["set weight 256", "error: weight: expected an integer from 0 to 255, got 256"],
    ["set weight -1", 'error: weight: expected an integer from 0 to 255, got "-1"'],
    ["set weight 50%", 'error: weight: expected an integer from 0 to 255, got "50%"'],
    ["set weight 5 6", `error: expected ${COMMANDS}, got "set weight 5 6"`],
    ["set maxconn 65536", "error: maxconn: expected an integer from 0 to 65535, got 65536"],
    ["set maxconn 1e3", 'error: maxconn: expected an integer from 0 to 65535, got "1e3"'],
    ["reload now", `error: expected ${COMMANDS}, got "reload now"`],
    ["wait", 'error: wait: expected seconds from 0 to 86400, got ""'],
    ["wait -1", 'error: wait: expected seconds from 0 to 86400, got "-1"'],
    ["wait 86401", 'error: wait: expected seconds from 0 to 86400, got "86401"'],
    ["wait 5 6", `error: expected ${COMMANDS}, got "wait 5 6"`],
    ["x".repeat(1025), "error: expected a line of at most 1024 bytes"],
    ["\0\x01\xff", `error: expected ${COMMANDS}, got "\\u0000\\u0001\u00c3\u00bf"`],
  ])("that sends %j gets an error, and nothing changes", async (line, error) => {
    await using agent = await startControlled('{"status":"DOWN","weight":5,"reason":"old"}');
    const before = agent.file();
    using client = await Client.connect(agent.socket);
    client.send(`${line}\n`);
    expect(await client.answers(1)).toEqual([error]);
    client.send("show state\n");
    const state = { state: { status: "DOWN", weight: 5, reason: "old" }, reply: "DOWN 5% #old" };
    expect((await client.answers(2))[1]).toBe(JSON.stringify(state));
    expect(agent.file()).toBe(before);
    expect(agent.log.filter((entry) => entry.includes("cause="))).toEqual([]);
  });

  test("may send 1 KiB in a line, with a carriage return, and no more", async () => {
    await using agent = await startControlled();
    using client = await Client.connect(agent.socket);
    client.send(`${"set status DRAIN".padEnd(1023)}\r\n`);
    expect(await client.answers(1)).toEqual(["ok saved: DRAIN"]);
    client.send("y".repeat(1025));
    expect(await client.closed()).toEndWith("error: expected a line of at most 1024 bytes\n");
  });

  test("is closed after 5 s in which it sends nothing, and not while it waits", async () => {
    await using agent = await startControlled();
    await askFrom("127.0.0.2", agent);
    await agent.ctl("set", "status", "DRAIN");
    const start = performance.now();
    using idle = await Client.connect(agent.socket);
    using waiting = await Client.connect(agent.socket);
    waiting.send("wait 6\n");
    expect(await idle.closed()).toBe("error: idle for 5 s\n");
    expect(performance.now() - start).toBeWithin(4990, 7000);
    expect(await waiting.answers(1)).toEqual([
      expect.stringMatching(/^error: not served within 6 s to 127\.0\.0\.2 \(UP, [\d.]+ s ago\)$/),
    ]);
    // Its 5 s begin with the answer.
    await Bun.sleep(1000);
    waiting.send("show state\n");
    await waiting.answers(2);
  });

  test("is refused as the 17th, unheard, and welcome when another has left", async () => {
    await using agent = await startControlled();
    using clients = new DisposableStack();
    for (let i = 0; i < 16; i += 1) clients.use(await Client.connect(agent.socket));
    const refused = Bun.spawn(["socat", "-u", `UNIX-CONNECT:${agent.socket}`, "-"]);
    expect(await refused.stdout.text()).toBe("error: more than 16 clients\n");
    expect(await agent.ctl("set", "status", "DRAIN")).toMatchObject({ exitCode: 1 });
    expect(await agent.ask()).toBe("UP\n");
    clients.dispose();
    await until("a free place", async () => (await agent.ctl("show", "state")).exitCode === 0);
  });

  test("that never reads is closed, and disturbs nobody", async () => {
    await using agent = await startControlled();
    const before = countSockets(agent.pid);
    using silent = await Client.connect(agent.socket);
    silent.pause();
    // Each answer is 30 times as long.
    silent.send("help\n".repeat(13_000));
    expect((await agent.ctl("show", "state")).exitCode).toBe(0);
    await until("the agent has closed it", () => countSockets(agent.pid) === before);
  });

  test("that sends more than 64 KiB ahead of the answers is refused", async () => {
    await using agent = await startControlled();
    await agent.ask();
    await agent.ctl("set", "status", "DRAIN");
    using client = await Client.connect(agent.socket);
    client.send("wait 86400\n");
    client.send("show state\n".repeat(6000));
    expect(await client.closed()).toBe("error: too many commands\n");
  });

  test("that leaves while it waits leaves nothing behind", async () => {
    await using agent = await startControlled();
    await askFrom("127.0.0.2", agent);
    await agent.ctl("set", "status", "DRAIN");
    const sockets = countSockets(agent.pid);
    const leave = async (count: number) => {
      for (let i = 0; i < count; i += 10) {
        const clients = Array.from({ length: 10 }, () => Client.connect(agent.socket));
        for (const client of await Promise.all(clients)) {
          client.send("wait 86400\nwait 86400\n");
          client[Symbol.dispose]();
        }
        // Those before this one have been accepted, too.
        using last = await Client.connect(agent.socket);
        last.send("show state\n");
        await last.answers(1);
        last[Symbol.dispose]();
        await until("all are gone", () => countSockets(agent.pid) === sockets);
      }
    };
    await leave(200);
    const { memory } = readUsage(agent.pid);
    await leave(2000);
    await until("memory is as before", () => readUsage(agent.pid).memory < memory + 500);
  });

  test("may be socat, which closes its half after the last command", async () => {
    await using agent = await startControlled();
    await agent.ask();
    const socat = (input: string) => {
      const command = ["socat", "-t10", "-", `UNIX-CONNECT:${agent.socket}`];
      return Bun.spawn(command, { stdin: Buffer.from(input), stdout: "pipe" }).stdout.text();
    };
    expect(await socat("set weight 5\nset status DRAIN\nreload\n")).toBe(
      "ok saved: UP 5%\nok saved: DRAIN 5%\nok loaded: DRAIN 5%\n",
    );
    const waiting = socat("wait 10\nset weight 6\n");
    await agent.ask();
    expect(await waiting).toBe("ok served to all of 1 pollers: DRAIN 5%\nok saved: DRAIN 6%\n");
    // Half a command may be another one.
    expect(await socat("show state\nset weight 25")).toBe(
      '{"state":{"status":"DRAIN","weight":6},"reply":"DRAIN 6%"}\n' +
        "error: expected a newline at the end\n",
    );
    expect(await agent.ask()).toBe("DRAIN 6%\n");
  });
});

describe.concurrent("hapgent ctl", () => {
  test("without HAPGENT_SOCKET says what to set", async () => {
    const message = "hapgent ctl: set HAPGENT_SOCKET to the path that the agent was started with";
    expect(await runAgent(["ctl", "show", "state"])).toEqual(bad(message));
  });

  test("without an agent at the socket says so", async () => {
    await using killed = await startControlled();
    await killed.stop("SIGKILL");
    const message = (reason: string) => `hapgent ctl: no answer from ${killed.socket}: ${reason}`;
    expect(await killed.ctl("show", "state")).toEqual(
      bad(message("connection refused (ECONNREFUSED)")),
    );
    rmSync(killed.socket);
    expect(await killed.ctl("show", "state")).toEqual(
      bad(message("no such file or directory (ENOENT)")),
    );
  });

  test("with no command, or a wrong one, gets the list of them", async () => {
    await using agent = await startControlled();
    expect(await agent.ctl()).toEqual(bad(`error: expected ${COMMANDS}, got ""`));
    expect(await agent.ctl("show", "\nset weight 5")).toEqual(
      bad(`error: expected ${COMMANDS}, got "show  set weight 5"`),
    );
    expect(await agent.ctl("help")).toEqual(good(`ok ${COMMANDS}`));
  });
});

describe.concurrent("wait", () => {
  test("answers at once when no poller is known, and when all were served", async () => {
    await using agent = await startControlled();
    expect(await agent.ctl("wait", "60")).toEqual(good("ok served to all of 0 pollers: UP"));
    await agent.ask();
    await askFrom("127.0.0.2", agent);
    expect(await agent.ctl("wait", "60")).toEqual(good("ok served to all of 2 pollers: UP"));
  });

  test("answers as soon as the last poller was served, the agent's own socket in use", async () => {
    await using agent = await startControlled();
    await agent.ask();
    await askFrom("127.0.0.2", agent);
    await agent.ctl("set", "status", "DRAIN");
    using client = await Client.connect(agent.socket);
    client.send("wait 60\n");
    await agent.ask();
    expect((await agent.ctl("show", "pollers")).stdout).toContain('"reply":"UP"');
    expect(client.text).toBe("");
    await askFrom("127.0.0.2", agent);
    expect(await client.answers(1)).toEqual(["ok served to all of 2 pollers: DRAIN"]);
  });

  test("names those that were not served in time", async () => {
    await using agent = await startControlled();
    for (const address of ["127.0.0.2", "127.0.0.3", "127.0.0.4"]) await askFrom(address, agent);
    await agent.ctl("set", "status", "DOWN", "why");
    await askFrom("127.0.0.3", agent);
    const start = performance.now();
    const { stderr, exitCode } = await agent.ctl("wait", "1");
    expect(performance.now() - start).toBeWithin(1000, 2000);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /^error: not served within 1 s to 127\.0\.0\.2 \(UP, .*\), 127\.0\.0\.4 \(UP, .*\)\n$/,
    );
    expect(await agent.ctl("wait", "0")).toMatchObject({ exitCode: 1 });
  });

  test("follows a reply that changes meanwhile", async () => {
    await using agent = await startControlled();
    await agent.ask();
    await agent.ctl("set", "status", "DRAIN");
    using client = await Client.connect(agent.socket);
    client.send("wait 60\n");
    agent.signal("SIGUSR2");
    await until("saved", () => agent.file().includes("DOWN"));
    await askFrom("127.0.0.2", agent);
    agent.change({ status: "MAINT" });
    await agent.logs(/new=MAINT/);
    // All were served DOWN or UP, and nobody MAINT.
    await agent.ask();
    expect(client.text).toBe("");
    await askFrom("127.0.0.2", agent);
    expect(await client.answers(1)).toEqual(["ok served to all of 2 pollers: MAINT"]);
  });
});

/** What `hapgent ctl` does with an answer that is no error. */
function good(line: string) {
  return { stdout: `${line}\n`, stderr: "", exitCode: 0 };
}

/** What it does with an error. */
function bad(line: string) {
  return { stdout: "", stderr: `${line}\n`, exitCode: 1 };
}

/**
 * Starts an agent whose control socket must be refused, and returns the reason: all that it says.
 */
async function refuse(path: string): Promise<string> {
  using directory = temporaryDirectory();
  const agent = Bun.spawn([EXECUTABLE], {
    env: { ...TUNED, HAPGENT_SOCKET: path, HAPGENT_STATE_FILE: stateIn(directory.path) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr] = await Promise.all([agent.stdout.text(), agent.stderr.text()]);
  expect({ stdout, exitCode: await agent.exited }).toEqual({ stdout: "", exitCode: 1 });
  const [, reason] = /^hapgent: cannot open the control socket \S+: (.*)\n$/.exec(stderr) ?? [];
  if (reason === undefined) throw new Error(`expected one line, got ${JSON.stringify(stderr)}`);
  return reason;
}

function stateIn(directory: string): string {
  writeFileSync(`${directory}/state.json`, '{"status":"UP"}');
  return `${directory}/state.json`;
}
