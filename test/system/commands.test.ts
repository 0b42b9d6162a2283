// `check` and `status` are for scripts: results on stdout, problems on stderr, 0 for good, 1 for
// bad, 2 for a wrong command line.
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { runAgent, startAgent } from "../../scripts/lib/agent.ts";
import { freePort } from "../../scripts/lib/port.ts";
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
    ["", 'expected a line, got ""'],
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

  test("says that nobody listens, and exits 1", async () => {
    const address = `127.0.0.1:${freePort()}`;
    const stderr = `hapgent status: ${address}: connection refused (ECONNREFUSED)\n`;
    expect(await runAgent(["status", address])).toEqual({ stdout: "", stderr, exitCode: 1 });
  });

  test.each([
    ["nothing", ""],
    ["half a line", "UP"],
  ])("gives up a server that sends %s after --timeout", async (_, text) => {
    using server = serve(text, { isClosing: false });
    const start = performance.now();
    const run = await runAgent(["status", server.address, "--timeout", "0.5"]);
    expect(performance.now() - start).toBeWithin(500, 1500);
    const stderr = `hapgent status: ${server.address}: timed out\n`;
    expect(run).toEqual({ stdout: "", stderr, exitCode: 1 });
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
    ["check a b", "check: expected one file"],
    ["check --nope", "check: Unknown option '--nope'"],
    ["status nowhere", 'status: expected HOST:PORT or [IPV6]:PORT, got "nowhere"'],
    ["status ::1:9777", 'status: expected HOST:PORT or [IPV6]:PORT, got "::1:9777"'],
    ["status 127.0.0.1:65536", 'status: expected HOST:PORT or [IPV6]:PORT, got "127.0.0.1:65536"'],
    ["status a:1 b:2", "status: expected one HOST:PORT"],
    ["status --timeout x", 'status: --timeout: expected seconds from 0 to 99999, got "x"'],
    ["status --wait", "status: Option '--wait <value>' argument missing"],
    ["status --wait -5", "status: Option '--wait' argument is ambiguous"],
    ["start", 'expected a command, --help, --version or nothing, got "start"'],
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

  test("--help is a word like any other in what ctl sends", async () => {
    const { exitCode, stdout } = await runAgent(["ctl", "set", "status", "DRAIN", "-h"], {
      HAPGENT_SOCKET: "/nowhere/hapgent.sock",
    });
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
  });
});
