// What the commands of the control socket do:
// - each is answered with one line, and a change only once it is saved;
// - commands and signals are done one after another, in the order in which they came;
// - a wrong command is an error that says what was expected, and changes nothing.
import { describe, expect, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { startAgent } from "../../scripts/lib/agent.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { formatState, type State } from "../../src/state/state.ts";
import { askFrom, Client } from "./client.ts";
import { bad, COMMANDS, good, SET, SHOW, startControlled } from "./control.ts";

describe.concurrent("the control socket", () => {
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
      { address: "127.0.0.2", sent: "", age: expect.any(Number), reply, isServed: true },
      { address: "127.0.0.1", sent: "", age: expect.any(Number), reply, isServed: true },
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

  test("tells that HAProxy shows no reason with some states, and where a text is no JSON", async () => {
    await using agent = await startControlled();
    const answer = good("ok saved: DRAIN (HAProxy shows no reason with DRAIN)");
    expect(await agent.ctl("set", "status", "DRAIN", "deploying v42")).toEqual(answer);
    expect(await agent.ctl("set", "status", "DOWN", "v42")).toEqual(good("ok saved: DOWN #v42"));
    writeFileSync(agent.stateFile, '{"status": "UP",}');
    const problem = '1:17: expected a property name, got "}" (trailing comma)';
    expect(await agent.ctl("reload")).toEqual(bad(`error: refused: ${problem}; the reply is FAIL`));
    await agent.logs(/error="1:17: expected a property name, got/);
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
    const answer = good("ok saved in place: resource busy or locked (EBUSY): DOWN");
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
    ["show", `error: expected ${SHOW}, got "show"`],
    ["show nothing", `error: expected ${SHOW}, got "show nothing"`],
    ["show state now", 'error: expected show state, got "show state now"'],
    ["show stat", `error: no such command: "show stat"; did you mean show state? Expected ${SHOW}`],
    [
      "set wieght 5",
      `error: no such command: "set wieght 5"; did you mean set weight? Expected ${SET}`,
    ],
    [
      "SHOW STATE",
      `error: no such command: "SHOW STATE"; did you mean show state? Expected ${COMMANDS}`,
    ],
    ["relaod", `error: no such command: "relaod"; did you mean reload? Expected ${COMMANDS}`],
    ["frobnicate", `error: expected ${COMMANDS}, got "frobnicate"`],
    ["set", `error: expected ${SET}, got "set"`],
    ["set color 5", `error: expected ${SET}, got "set color 5"`],
    [
      "set status",
      'error: status: expected one of UP, DOWN, READY, DRAIN, FAIL, MAINT, STOPPED, got ""',
    ],
    [
      "set status down",
      'error: status: expected one of UP, DOWN, READY, DRAIN, FAIL, MAINT, STOPPED, got "down" ' +
        "(did you mean DOWN?)",
    ],
    [
      "set status DOWN caf\u00e9",
      'error: reason: expected at most 100 printable ASCII characters, got "caf\u00e9"',
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
    ["set weight 5 6", `error: expected set weight N, got "set weight 5 6"`],
    ["set maxconn 65536", "error: maxconn: expected an integer from 0 to 65535, got 65536"],
    ["set maxconn 1e3", 'error: maxconn: expected an integer from 0 to 65535, got "1e3"'],
    ["reload now", `error: expected reload, got "reload now"`],
    ["wait", 'error: wait: expected seconds from 0 to 86400, got ""'],
    ["wait -1", 'error: wait: expected seconds from 0 to 86400, got "-1"'],
    ["wait 86401", 'error: wait: expected seconds from 0 to 86400, got "86401"'],
    ["wait 5 0", 'error: wait: expected a number of pollers from 1 to 4096, got "0"'],
    ["wait 5 many", 'error: wait: expected a number of pollers from 1 to 4096, got "many"'],
    ["forget", `error: expected forget ADDRESS, got "forget"`],
    ["forget 10.0.0.1", 'error: no poller has the address "10.0.0.1"'],
    ["@web show state", 'error: no such service: "web"'],
    ["wait 5 6 7", `error: expected wait SECONDS [COUNT], got "wait 5 6 7"`],
    ["x".repeat(1025), "error: expected a line of at most 1024 bytes"],
    ["\0\x01\xff", `error: expected ${COMMANDS}, got "\\u0000\\u0001\u00ff"`],
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
});
