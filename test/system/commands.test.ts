// `check` and `status` are for scripts: results on stdout, problems on stderr, 0 for good, 1 for
// bad, 2 for a wrong command line.
import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { runAgent, startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { freePort } from "../../scripts/lib/port.ts";
import { outcome, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";

describe.concurrent("hapgent check", () => {
  test("prints the reply, then what HAProxy reads otherwise than one may think", async () => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/state.json`;
    writeFileSync(file, '{"status":"READY","weight":50,"maxconn":0,"reason":"back"}');
    const warnings = [
      "READY does not undo DOWN, FAIL or STOPPED: only UP does",
      "the reason is not shown: HAProxy takes one with UP, DOWN, FAIL and STOPPED only",
      "a share of a configured `weight 1` below 100% is 0: configure `weight 100`",
      "maxconn 0 is no limit",
    ];
    const lines = ["READY 50% maxconn:0", ...warnings.map((warning) => `warning: ${warning}`)];
    const printed = { stdout: `${lines.join("\n")}\n`, stderr: "", exitCode: 0 };
    expect(await runAgent(["check", file])).toEqual(printed);
    expect(await runAgent(["check"], { HAPGENT_STATE_FILE: file })).toEqual(printed);
    const { stdout, exitCode } = await runAgent(["check", "--json", file]);
    expect(stdout).toMatch(/^[^\n]+\n$/);
    expect({ exitCode, ...JSON.parse(stdout) }).toEqual({
      exitCode: 0,
      file,
      ok: true,
      reply: "READY 50% maxconn:0",
      warnings,
      problems: [],
    });
    const full = await runAgent(["check", file], { HAPGENT_REPLY: "full" });
    expect(full.stdout).toStartWith("ready up 50% maxconn:0 #back\nwarning: a share");
  });

  test("names every problem with its path and exits 1", async () => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/state.json`;
    writeFileSync(file, '{"status":"up","weight":300,"wait":1}');
    const problems = [
      'status: expected one of UP, DOWN, READY, DRAIN, FAIL, MAINT, STOPPED, got "up" (did you mean UP?)',
      "weight: expected an integer from 0 to 255, got 300",
      '"wait": expected no field but status, weight, maxconn, reason',
    ];
    expect(await runAgent(["check", file])).toEqual({
      stdout: "",
      stderr: problems.map((problem) => `${file}: ${problem}\n`).join(""),
      exitCode: 1,
    });
    const { stdout, exitCode } = await runAgent(["check", file, "--json"]);
    const expected = { exitCode: 1, file, ok: false, warnings: [], problems };
    expect({ exitCode, ...JSON.parse(stdout) }).toEqual(expected);
  });

  test("of several files names each; - is standard input", async () => {
    using directory = temporaryDirectory();
    const [one, two] = [`${directory.path}/one.json`, `${directory.path}/two.json`];
    writeFileSync(one, '{"status":"UP"}');
    writeFileSync(two, '{\n  "status": "UP",\n}');
    const run = await outcome([EXECUTABLE, "check", one, "-", two], {
      input: '\ufeff{"status":"DOWN","weight":0}',
      isClean: true,
    });
    expect(run).toEqual({
      stdout: `${one}: UP\n-: DOWN 0%\n-: warning: weight 0 takes the server out of rotation\n`,
      stderr: `${two}:3:1: expected a property name, got "}" (trailing comma)\n`,
      exitCode: 1,
    });
    const json = await runAgent(["check", "--json", one, two]);
    expect(
      json.stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { ok: true, file: one, reply: "UP", warnings: [], problems: [] },
      {
        ok: false,
        file: two,
        warnings: [],
        problems: ['3:1: expected a property name, got "}" (trailing comma)'],
      },
    ]);
    expect(json.exitCode).toBe(1);
  });

  test("reads no more of standard input than a state file may have", async () => {
    const command = '"$0" check - < /dev/zero';
    expect(await outcome(["sh", "-c", command, EXECUTABLE], { isClean: true, limit: 10 })).toEqual({
      stdout: "",
      stderr: "-: expected at most 65536 bytes, got more\n",
      exitCode: 1,
    });
  });

  test("without a file checks what the agent reads, with its services", async () => {
    using directory = temporaryDirectory();
    const [host, services] = [`${directory.path}/host.json`, `${directory.path}/services`];
    mkdirSync(services);
    writeFileSync(host, '{"status":"UP"}');
    writeFileSync(`${services}/web.json`, '{"status":"DRAIN","weight":10}');
    writeFileSync(`${services}/.hidden.json`, "no service's");
    writeFileSync(`${services}/no name.json`, "{}");
    const env = { HAPGENT_STATE_FILE: host, HAPGENT_SERVICES: services };
    const warning = "a share of a configured `weight 1` below 100% is 0: configure `weight 100`";
    // Full replies, as with services the agent itself gives them.
    expect(await runAgent(["check"], env)).toEqual({
      stdout:
        `${host}: ready up 100%\n` +
        `${services}/no name.json: warning: the agent ignores it: expected a name of ` +
        "1 to 64 letters, digits, '.', '_' and '-', of which the first is a letter or digit\n" +
        `${services}/web.json: up drain 10%\n` +
        `${services}/web.json: warning: ${warning}\n`,
      stderr: "",
      exitCode: 0,
    });
    const gone = await runAgent(["check"], { ...env, HAPGENT_SERVICES: "/nowhere" });
    expect(gone.stderr).toBe("/nowhere: no such file or directory (ENOENT)\n");
  });

  test("has no warning for the state that is shipped", async () => {
    const printed = { stdout: "UP\n", stderr: "", exitCode: 0 };
    expect(await runAgent(["check", `${ROOT}deploy/state.json`])).toEqual(printed);
  });

  test("--config says nothing, or which variable is wrong", async () => {
    const silent = { stdout: "", stderr: "", exitCode: 0 };
    const good = { HAPGENT_PORT: "80", LISTEN_PID: "1", LISTEN_FDS: "7" };
    expect(await runAgent(["check", "--config"], good)).toEqual(silent);
    expect(await runAgent(["check", "--config"], { ...good, HAPGENT_SOKET: "/run/x" })).toEqual({
      ...silent,
      stderr: "warning: unknown variable HAPGENT_SOKET (did you mean HAPGENT_SOCKET?)\n",
    });
    expect(await runAgent(["check", "--config"], { HAPGENT_STOP_GRACE: "5" })).toEqual({
      stdout: "",
      stderr: 'hapgent: HAPGENT_STOP_GRACE: expected HAPGENT_STOP_STATUS beside it, got "5"\n',
      exitCode: 2,
    });
  });

  test.each([
    ["/nowhere/state.json", "no such file or directory (ENOENT)"],
    ["/", "expected a regular file"],
    ["/dev/zero", "expected a regular file"],
  ])("of %s exits 1: %s", async (file, reason) => {
    const stderr = `${file}: ${reason}\n`;
    expect(await runAgent(["check", file])).toEqual({ stdout: "", stderr, exitCode: 1 });
  });
});

/** A server that sends something to whoever connects and then closes, or not. */
function serve(text: string, { hostname = "127.0.0.1", isClosing = true } = {}) {
  const socket = {
    open: (client: Bun.Socket) => void (isClosing ? client.end(text) : client.write(text)),
    data: () => undefined,
  };
  const server = Bun.listen({ hostname, port: 0, socket });
  return { address: `${hostname}:${server.port}`, [Symbol.dispose]: () => server.stop(true) };
}

describe.concurrent("hapgent status", () => {
  test.each([
    "UP",
    "DOWN 50% maxconn:0 #deploying v42, (100%)!",
    "ready up 100%",
    "up\tdrain,7%",
    "maint",
    "stopped #",
  ])("prints the well-formed reply %j and exits 0", async (reply) => {
    using server = serve(`${reply}\n`);
    const printed = { stdout: `${reply}\n`, stderr: "", exitCode: 0 };
    expect(await runAgent(["status", server.address])).toEqual(printed);
    const { stdout, exitCode } = await runAgent(["status", "--json", server.address]);
    const { address } = server;
    const expected = { exitCode: 0, address, ok: true, problems: [], reply };
    expect({ exitCode, ...JSON.parse(stdout) }).toEqual(expected);
  });

  test.each([
    ["", "connected, but it said nothing"],
    ["UP 50%", 'expected a line, got "UP 50%"'],
    ["x".repeat(20_000), `expected a line, got "${"x".repeat(60)}"`],
    ["\n", 'expected words that HAProxy knows, got ""'],
    ["failed\n", 'expected words that HAProxy knows, got "failed"'],
    ["UP 50\n", 'expected words that HAProxy knows, got "UP 50"'],
    ["UP -5%\n", 'expected words that HAProxy knows, got "UP -5%"'],
    ["DOWN#why\n", 'expected words that HAProxy knows, got "DOWN#why"'],
    ["drain #why\n", 'expected words that HAProxy knows, got "drain #why"'],
    ["HTTP/1.1 400 Bad Request\r\n", 'expected words that HAProxy knows, got "HTTP/1.1 400 Bad'],
  ])("refuses %j and exits 1", async (text, problem) => {
    using server = serve(text);
    const { stdout, stderr, exitCode } = await runAgent(["status", server.address]);
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 1 });
    expect(stderr).toStartWith(`hapgent status: ${server.address}: ${problem}`);
    const json = await runAgent(["status", server.address, "--json"]);
    expect(JSON.parse(json.stdout)).toMatchObject({
      ok: false,
      problems: [expect.stringContaining(problem)],
    });
    expect(json.exitCode).toBe(1);
  });

  test("reads the first line only, which may end with a carriage return", async () => {
    using server = serve("UP 5%\r\nDOWN\n", { isClosing: false });
    expect((await runAgent(["status", server.address])).stdout).toBe("UP 5%\n");
  });

  test.each([
    ["UP,READY", "READY 75%", undefined],
    ["READY", "ready up 100%", undefined],
    ["up", "UP #back", undefined],
    ["DRAIN", "up drain 100%", undefined],
    ["UP", "up drain 100%", 'expected UP, got "up drain 100%"'],
    ["UP,READY", "DOWN #deploying", 'expected UP or READY, got "DOWN #deploying"'],
    ["UP", "READY", 'expected UP, got "READY"'],
    ["UP", "50%", 'expected UP, got "50%"'],
    ["UP", "oops", 'expected words that HAProxy knows, got "oops"'],
  ])("with --expect %s is a monitor's probe of %j", async (expected, reply, problem) => {
    using server = serve(`${reply}\n`);
    const run = await runAgent(["status", server.address, "--expect", expected]);
    expect(run).toEqual(
      problem === undefined
        ? { stdout: `OK: ${reply}\n`, stderr: "", exitCode: 0 }
        : { stdout: `CRITICAL: ${server.address}: ${problem}\n`, stderr: "", exitCode: 2 },
    );
  });

  test.each([
    [[], "#hapgent:\n"],
    [["--send", "web-1.2"], "#hapgent:web-1.2\n"],
  ])("with %j sends %j, which no load balancer does", async (args, sent) => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const socket = {
      data(client: Bun.Socket, chunk: Buffer) {
        resolve(chunk.toString());
        client.end("UP\n");
      },
    };
    const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket });
    const run = await runAgent(["status", `127.0.0.1:${server.port}`, ...args]);
    server.stop(true);
    expect(run.stdout).toBe("UP\n");
    expect(await promise).toBe(sent);
  });

  test("prints what is not printable ASCII as escapes, in every form of output", async () => {
    using server = serve("UP #\u001b[2J\u007f\u009b1m caf\u00e9 \u{1f600}\n");
    const shown = "UP #\\u001b[2J\\u007f\\u009b1m caf\\u00e9 \\ud83d\\ude00";
    const { address } = server;
    expect((await runAgent(["status", address])).stdout).toBe(`${shown}\n`);
    expect((await runAgent(["status", address, "--expect", "UP"])).stdout).toBe(`OK: ${shown}\n`);
    const { stdout: json } = await runAgent(["status", address, "--json"]);
    expect(json).toMatch(/^[ -~]+\n$/);
    expect(JSON.parse(json).reply).toBe("UP #\u001b[2J\u007f\u009b1m caf\u00e9 \u{1f600}");
    using other = serve("\u009b31mhello\n");
    expect((await runAgent(["status", other.address])).stderr).toMatch(/^[ -~]+\n$/);
  });

  test("takes port 9777 where the address names none", async () => {
    const { stderr } = await runAgent(["status", "127.99.99.99"]);
    expect(stderr).toBe("hapgent status: 127.99.99.99:9777: connection refused (ECONNREFUSED)\n");
  });

  test("says that nobody listens, and exits 1", async () => {
    const address = `127.0.0.1:${freePort()}`;
    const stderr = `hapgent status: ${address}: connection refused (ECONNREFUSED)\n`;
    expect(await runAgent(["status", address])).toEqual({ stdout: "", stderr, exitCode: 1 });
  });

  test("asks the agent of its environment, over IPv6 too, or any other", async () => {
    for (const [hostname, ip] of [
      ["127.0.0.1", "0.0.0.0"],
      ["::1", "::"],
      ["::1", "::1"],
    ] as const) {
      const env = { HAPGENT_IP: ip };
      await using agent = await startAgent({ state: { status: "DRAIN" }, hostname, env });
      const printed = { stdout: "DRAIN\n", stderr: "", exitCode: 0 };
      const HAPGENT_PORT = String(agent.port);
      expect(await runAgent(["status"], { ...env, HAPGENT_PORT })).toEqual(printed);
      const address = hostname === "::1" ? `[::1]:${agent.port}` : `localhost:${agent.port}`;
      expect(await runAgent(["status", address])).toEqual(printed);
    }
  });
});

// One after another: what takes its time must not wait for the others.
describe("hapgent status takes its time", () => {
  test.each([
    ["nothing", "", "connected, but it said nothing within 0.5 s"],
    ["half a line", "UP", 'expected a line within 0.5 s, got "UP"'],
  ])("gives up a server that sends %s after --timeout", async (_, text, problem) => {
    using server = serve(text, { isClosing: false });
    const start = performance.now();
    const run = await runAgent(["status", server.address, "--timeout", "0.5"]);
    expect(performance.now() - start).toBeWithin(500, 1500);
    const stderr = `hapgent status: ${server.address}: ${problem}\n`;
    expect(run).toEqual({ stdout: "", stderr, exitCode: 1 });
  });

  test("with --wait tries until an agent answers, and no longer", async () => {
    const port = freePort();
    const start = performance.now();
    const late = await runAgent(["status", `127.0.0.1:${port}`, "--wait", "0.5"]);
    expect(performance.now() - start).toBeWithin(500, 1500);
    expect(late).toMatchObject({ stdout: "", exitCode: 1 });
    const waiting = runAgent(["status", `127.0.0.1:${port}`, "--wait", "20"]);
    await Bun.sleep(200);
    await using agent = await startAgent({
      state: { status: "MAINT" },
      env: { HAPGENT_PORT: String(port) },
    });
    expect(await waiting).toEqual({ stdout: "MAINT\n", stderr: "", exitCode: 0 });
    expect(agent.process.exitCode).toBeNull();
  });
});

describe.concurrent("a command with wrong arguments", () => {
  test.each([
    ["check --config a", "check: expected neither a FILE nor --json with --config"],
    ["check --config --json", "check: expected neither a FILE nor --json with --config"],
    ["check --nope", "check: Unknown option '--nope'"],
    ["check --jsno", "check: Unknown option '--jsno' (did you mean --json?)"],
    ["status nowhere:", 'status: expected HOST[:PORT] or [IPV6][:PORT], got "nowhere:"'],
    ["status ::1:9777", 'status: expected HOST[:PORT] or [IPV6][:PORT], got "::1:9777"'],
    [
      "status 127.0.0.1:65536",
      'status: expected HOST[:PORT] or [IPV6][:PORT], got "127.0.0.1:65536"',
    ],
    ["status --send ../a", 'status: --send: expected the name of a service, got "../a"'],
    [
      "status --expect UP,DRIAN",
      "status: --expect: expected some of UP, DOWN, READY, DRAIN, FAIL, MAINT, STOPPED, " +
        'got "DRIAN" (did you mean DRAIN?)',
    ],
    [
      "ctl set status UP --json",
      'ctl: options go before the command, got "--json" in it (after -- it is a word)',
    ],
    ["ctl --wait 5", "ctl: Unknown option '--wait'"],
    ["status a:1 b:2", 'status: expected one HOST[:PORT], got "a:1 b:2"'],
    ["status --timeout x", 'status: --timeout: expected seconds from 0 to 99999, got "x"'],
    ["status --wait", "status: Option '--wait <value>' argument missing"],
    ["status --wait -5", "status: Option '--wait' argument is ambiguous"],
    ["start", 'expected a command, --help, --version or nothing, got "start"'],
    [
      "chekc a",
      'expected a command, --help, --version or nothing, got "chekc a" (did you mean check?)',
    ],
    [
      "help stauts",
      'expected a command, --help, --version or nothing, got "stauts" (did you mean status?)',
    ],
  ])("%s: one line, the usage and exit code 2", async (line, message) => {
    const { stdout, stderr, exitCode } = await runAgent(line.split(" "));
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 2 });
    expect(stderr).toStartWith(`hapgent: ${message}\nusage: hapgent\n`);
  });

  test.each(["check", "status", "ctl"])("%s --help prints the help", async (command) => {
    const { stdout, exitCode } = await runAgent([command, "--help"]);
    expect(exitCode).toBe(0);
    expect(stdout).toStartWith(`hapgent ${command} `);
  });

  test.each([
    ["check", "HAPGENT_REPLY", "whole", "exact or full"],
    ["status", "HAPGENT_PORT", "0", "an integer from 1 to 65535"],
    ["ctl", "HAPGENT_SOCKET", "", "the path of a socket, 1 to 107 bytes"],
  ])("%s refuses a wrong variable that it reads, and ignores the others", async (...row) => {
    const [command, name, value, expected] = row;
    expect(await runAgent([command], { [name]: value })).toEqual({
      stdout: "",
      stderr: `hapgent: ${name}: expected ${expected}, got ${JSON.stringify(value)}\n`,
      exitCode: 2,
    });
    const { exitCode } = await runAgent([command], { HAPGENT_STOP_STATUS: "gone" });
    expect(exitCode).toBe(1);
  });

  test("an option in what ctl sends is refused, not obeyed; after -- it is a word", async () => {
    const env = { HAPGENT_SOCKET: "/nowhere/hapgent.sock" };
    const refused = await runAgent(["ctl", "set", "status", "DRAIN", "-h"], env);
    expect(refused).toMatchObject({ exitCode: 2, stdout: "" });
    expect(refused.stderr).toContain('options go before the command, got "-h"');
    const { exitCode, stderr } = await runAgent(["ctl", "--", "set", "status", "UP", "-h"], env);
    expect(exitCode).toBe(1);
    expect(stderr).toStartWith("hapgent ctl: no answer from /nowhere/hapgent.sock: ");
  });

  test.each(["--help", "-h", "help"])("%s prints the whole help", async (word) => {
    const { stdout, exitCode } = await runAgent([word]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain("\nSignals\n");
    const { stdout: part } = await runAgent(["help", "status"]);
    expect(part).toStartWith("hapgent status ");
    expect(part).not.toContain("\nSignals\n");
  });
});
