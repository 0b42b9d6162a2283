// The command line as a whole, in this process: what each command prints where, and its exit code.
import { afterEach, beforeEach, describe, expect, type Mock, spyOn, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { freePort } from "../../scripts/lib/port.ts";
import { outcome, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { runCommand } from "../../src/commands/run.ts";
import { NAME_RULE } from "../../src/sent.ts";

let out: Mock<typeof console.log>;
let err: Mock<typeof console.error>;

beforeEach(() => {
  out = spyOn(console, "log").mockImplementation(() => undefined);
  err = spyOn(console, "error").mockImplementation(() => undefined);
});

afterEach(() => {
  out.mockRestore();
  err.mockRestore();
});

/** Runs a command line and returns what it printed, and its exit code. */
async function run(line: string, env: Record<string, string> = { HAPGENT_STATE_FILE: "/nowhere" }) {
  out.mockClear();
  err.mockClear();
  const code = await runCommand(line.split(" "), env);
  const text = (mock: { mock: { calls: unknown[][] } }) => mock.mock.calls.flat().join("\n");
  return { code, out: text(out), err: text(err) };
}

/** A server that sends something to whoever connects, and what it was sent. */
function serve(text: string, isClosing = true) {
  const got: string[] = [];
  let count = 0;
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(client) {
        count += 1;
        if (isClosing) client.end(text);
        else client.write(text);
      },
      data: (_, chunk) => void got.push(chunk.toString()),
    },
  });
  return {
    got,
    opened: () => count,
    address: `127.0.0.1:${server.port}`,
    [Symbol.dispose]: () => server.stop(true),
  };
}

describe("hapgent", () => {
  test("prints version and help", async () => {
    expect(await run("--version")).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^hapgent \d/),
    });
    expect((await run("--help")).out).toContain("Environment");
    expect((await run("help status")).out).toStartWith("hapgent status");
    expect(await run("status -h")).toEqual(await run("help status"));
    expect((await run("help")).out).toBe((await run("--help")).out);
  });

  test.each(["start", "--version now", "help nothing", "help status now", "check --nope"])(
    "refuses %j with the usage and exit code 2",
    async (line) => {
      const { code, out: printed, err: said } = await run(line);
      expect({ code, printed }).toEqual({ code: 2, printed: "" });
      expect(said).toStartWith("hapgent: ");
      expect(said).toContain("usage: hapgent");
    },
  );
});

test.each([
  ["chekc", '"chekc" (did you mean check?)'],
  ["help sttaus", '"sttaus" (did you mean status?)'],
  ["help status now", '"status now"'],
  ["frobnicate", '"frobnicate"'],
])("hapgent %s is refused with what may be meant", async (line, got) => {
  const { err: said } = await run(line);
  expect(said.split("\n")[0]).toBe(
    `hapgent: expected a command, --help, --version or nothing, got ${got}`,
  );
});

describe("hapgent status", () => {
  test("prints the reply, and says what it asked for with its mark", async () => {
    using server = serve("UP 50%\n", false);
    expect(await run(`status ${server.address}`)).toEqual({ code: 0, out: "UP 50%", err: "" });
    await run(`status ${server.address} --send web`);
    await until("both were sent", () => server.got.length === 2);
    expect(server.got).toEqual(["#hapgent:\n", "#hapgent:web\n"]);
    expect(JSON.parse((await run(`status ${server.address} --json`)).out)).toEqual({
      ok: true,
      address: server.address,
      reply: "UP 50%",
      problems: [],
    });
  });

  test.each([
    ["UP 5\n", "expected words that HAProxy knows"],
    ["UP", "expected a line"],
    ["", "connected, but it said nothing"],
  ])("refuses the reply %j", async (text, problem) => {
    using server = serve(text);
    const { code, out: printed, err: said } = await run(`status ${server.address}`);
    expect({ code, printed }).toEqual({ code: 1, printed: "" });
    expect(said).toContain(problem);
  });

  test.each([
    ["x".repeat(16_383), `expected a line, got "${"x".repeat(60)}"`],
    ["UP 5\n", 'expected words that HAProxy knows, got "UP 5"'],
  ])("shows the start of what is no reply, and waits for no more (%#)", async (text, problem) => {
    using server = serve(text, false);
    const { address } = server;
    const { code, err: said } = await run(`status ${address} --timeout 60`);
    expect({ code, said }).toEqual({ code: 1, said: `hapgent status: ${address}: ${problem}` });
  });

  test("says why there is no connection", async () => {
    const address = `127.0.0.1:${freePort()}`;
    const { code, err: said } = await run(`status ${address} --timeout 60`);
    const why = "connection refused (ECONNREFUSED)";
    expect({ code, said }).toEqual({ code: 1, said: `hapgent status: ${address}: ${why}` });
  });

  test("asks the agent's own port when an address names none", async () => {
    // Whoever may listen there.
    const { out: printed } = await run("status 127.45.67.89 --json");
    expect(JSON.parse(printed).address).toBe("127.45.67.89:9777");
  });

  test.each([
    ["a b", 'expected one HOST[:PORT], got "a b"'],
    ["a:b", 'expected HOST[:PORT] or [IPV6][:PORT], got "a:b"'],
    ["a --timeout x", '--timeout: expected seconds from 0 to 99999, got "x"'],
    ["a --wait -1", "Option '--wait' argument is ambiguous"],
    ["a --send ../a", '--send: expected the name of a service, got "../a"'],
  ])("refuses %j", async (line, message) => {
    const { code, err: said } = await run(`status ${line}`);
    expect({ code, said: said.split("\n")[0] }).toEqual({
      code: 2,
      said: `hapgent: status: ${message}`,
    });
  });

  test.each<[string, Record<string, string>, string]>([
    [
      "a --expect UP,MIANT",
      {},
      "status: --expect: expected some of UP, DOWN, READY, DRAIN, FAIL, MAINT, STOPPED, " +
        'got "MIANT" (did you mean MAINT?)',
    ],
    [
      "a --expect=ON",
      {},
      'status: --expect: expected some of UP, DOWN, READY, DRAIN, FAIL, MAINT, STOPPED, got "ON"',
    ],
    ["--expect UP --frob", {}, "status: Unknown option '--frob'"],
    ["--expect UP a b", {}, 'status: expected one HOST[:PORT], got "a b"'],
    [
      "--expect UP",
      { HAPGENT_STATE_FILE: "a", HAPGENT_PORT: "0" },
      'HAPGENT_PORT: expected an integer from 1 to 65535, got "0"',
    ],
  ])("is a probe that does not know, of %j with %j", async (line, env, message) => {
    const unknown = { code: 3, out: `UNKNOWN: ${message}`, err: "" };
    expect(await run(`status ${line}`, env)).toEqual(unknown);
  });

  test("tries again for --wait, and no longer", async () => {
    using server = serve("nonsense\n");
    const start = performance.now();
    expect((await run(`status ${server.address} --wait 0.2`)).code).toBe(1);
    expect(performance.now() - start).toBeWithin(200, 5000);
    expect(server.opened()).toBeGreaterThan(1);
  });

  test("with --expect is a monitor's probe", async () => {
    using server = serve("ready down 100%\n", false);
    expect(await run(`status ${server.address} --expect DOWN`)).toMatchObject({ code: 0 });
    const { code, out: printed } = await run(`status ${server.address} --expect UP,READY`);
    expect({ code, printed: printed.slice(0, 8) }).toEqual({ code: 2, printed: "CRITICAL" });
  });

  test("gives up after --timeout", async () => {
    using server = serve("", false);
    const { code, err: said } = await run(`status ${server.address} --timeout 0.2`);
    expect({ code, said }).toEqual({
      code: 1,
      said: `hapgent status: ${server.address}: connected, but it said nothing within 0.2 s`,
    });
  });
});

describe("hapgent ctl", () => {
  /** A control socket that answers every line like this. */
  function answer(path: string, text: string) {
    const got: string[] = [];
    const server = Bun.listen({
      unix: path,
      socket: {
        data(client, chunk) {
          got.push(chunk.toString());
          client.end(text);
        },
      },
    });
    return { got, [Symbol.dispose]: () => server.stop(true) };
  }

  test("sends a line and prints its answer, an error to stderr", async () => {
    using directory = temporaryDirectory();
    const HAPGENT_SOCKET = `${directory.path}/sock`;
    {
      using server = answer(HAPGENT_SOCKET, "ok saved: UP\nmore\n");
      const env = { HAPGENT_SOCKET, HAPGENT_STATE_FILE: "/nowhere" };
      expect(await run("ctl @web set status UP", env)).toEqual({
        code: 0,
        out: "ok saved: UP",
        err: "",
      });
      expect(server.got).toEqual(["@web set status UP\n"]);
    }
    {
      using _server = answer(HAPGENT_SOCKET, "error: no\n");
      const env = { HAPGENT_SOCKET, HAPGENT_STATE_FILE: "/nowhere" };
      expect(await run("ctl reload", env)).toEqual({ code: 1, out: "", err: "error: no" });
    }
    const env = { HAPGENT_SOCKET, HAPGENT_STATE_FILE: "/nowhere" };
    expect((await run("ctl reload", env)).err).toStartWith(
      `hapgent ctl: no answer from ${HAPGENT_SOCKET}`,
    );
  });

  test("prints an answer whole, however it comes, and nothing that a terminal obeys", async () => {
    using directory = temporaryDirectory();
    const HAPGENT_SOCKET = `${directory.path}/sock`;
    const bytes = Buffer.from("ok caf\u00e9 \u001b[31m\n");
    const end = bytes.indexOf(0xc3) + 1;
    using _server = Bun.listen({
      unix: HAPGENT_SOCKET,
      socket: {
        data(client) {
          client.write(bytes.subarray(0, end));
          setTimeout(() => client.write(bytes.subarray(end)), 20);
        },
      },
    });
    const env = { HAPGENT_SOCKET, HAPGENT_STATE_FILE: "/nowhere" };
    expect((await run("ctl help", env)).out).toBe("ok caf\u00e9 \\u001b[31m");
  });

  test.each([
    ["ok saved: UP", { ok: true, answer: "saved: UP", problems: [] }, 0],
    ['{"reply":"UP"}', { ok: true, answer: { reply: "UP" }, problems: [] }, 0],
    ["error: no such service", { ok: false, problems: ["no such service"] }, 1],
  ])("with --json prints %j with ok and problems", async (text, printed, exitCode) => {
    using directory = temporaryDirectory();
    const HAPGENT_SOCKET = `${directory.path}/sock`;
    const env = { HAPGENT_SOCKET, HAPGENT_STATE_FILE: "/nowhere" };
    const gone = await run("ctl --json help", env);
    expect(JSON.parse(gone.out)).toEqual({
      ok: false,
      problems: [expect.stringContaining("ENOENT")],
    });
    using _server = answer(HAPGENT_SOCKET, `${text}\n`);
    const { code, out, err } = await run("ctl --json help", env);
    expect({ code, out: JSON.parse(out), err }).toEqual({ code: exitCode, out: printed, err: "" });
  });

  test("prints a list as a table in a terminal, and elsewhere as it came", async () => {
    using directory = temporaryDirectory();
    const HAPGENT_SOCKET = `${directory.path}/sock`;
    const list = '[{"name":"web"}]';
    using _server = answer(HAPGENT_SOCKET, `${list}\n`);
    const env = { HAPGENT_SOCKET, HAPGENT_STATE_FILE: "/nowhere" };
    const { isTTY } = process.stdout;
    try {
      process.stdout.isTTY = true;
      expect((await run("ctl show services", env)).out).toBe("name\nweb");
      process.stdout.isTTY = false;
      expect((await run("ctl show services", env)).out).toBe(list);
    } finally {
      process.stdout.isTTY = isTTY;
    }
  });

  test("sends one line, whatever its words hold", async () => {
    using directory = temporaryDirectory();
    const HAPGENT_SOCKET = `${directory.path}/sock`;
    using server = answer(HAPGENT_SOCKET, "ok\n");
    const env = { HAPGENT_SOCKET, HAPGENT_STATE_FILE: "/nowhere" };
    await runCommand(["ctl", " set status DOWN", "two\r\nlines", ""], env);
    expect(server.got).toEqual(["set status DOWN two lines\n"]);
  });

  test("says that no socket is set", async () => {
    expect((await run("ctl reload")).err).toContain("set HAPGENT_SOCKET");
  });
});

describe("hapgent check", () => {
  test("prints each file's reply or its problems", async () => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/state.json`;
    writeFileSync(file, '{"status":"READY","weight":50}');
    const { code, out: printed } = await run(`check ${file}`);
    expect({ code, first: printed.split("\n")[0] }).toEqual({ code: 0, first: "READY 50%" });
    writeFileSync(file, '{"status":"READY",}');
    expect(await run(`check ${file}`)).toEqual({
      code: 1,
      out: "",
      err: `${file}:1:19: expected a property name, got "}" (trailing comma)`,
    });
  });

  test("prints a line of JSON for each file with --json", async () => {
    using directory = temporaryDirectory();
    const [good, bad] = [`${directory.path}/good.json`, `${directory.path}/bad.json`];
    writeFileSync(good, '{"status":"UP","maxconn":0}');
    const { code, out: printed } = await run(`check --json ${good} ${bad}`);
    expect(code).toBe(1);
    expect(printed.split("\n").map((line) => JSON.parse(line))).toEqual([
      {
        ok: true,
        file: good,
        reply: "UP maxconn:0",
        warnings: ["maxconn 0 is no limit"],
        problems: [],
      },
      { ok: false, file: bad, warnings: [], problems: ["no such file or directory (ENOENT)"] },
    ]);
  });

  test("without a file checks the agent's own, and those of its services", async () => {
    using directory = temporaryDirectory();
    const services = `${directory.path}/services`;
    mkdirSync(services);
    const file = `${directory.path}/state.json`;
    const env = { HAPGENT_STATE_FILE: file, HAPGENT_SERVICES: services };
    for (const name of ["web.json", "api.json", "-a.json", ".b.json", "c.txt", "d"]) {
      writeFileSync(`${services}/${name}`, '{"status":"UP"}');
    }
    writeFileSync(file, '{"status":"DOWN"}');
    expect(await run("check", { HAPGENT_STATE_FILE: file })).toEqual({
      code: 0,
      out: "DOWN",
      err: "",
    });
    expect(await run("check", env)).toEqual({
      code: 0,
      out: [
        `${file}: ready down 100%`,
        `${services}/-a.json: warning: the agent ignores it: expected a name of ${NAME_RULE}`,
        `${services}/api.json: ready up 100%`,
        `${services}/web.json: ready up 100%`,
      ].join("\n"),
      err: "",
    });
    expect(await run("check", { ...env, HAPGENT_SERVICES: "/nowhere" })).toEqual({
      code: 1,
      out: `${file}: ready down 100%`,
      err: "/nowhere: no such file or directory (ENOENT)",
    });
  });

  test("with --config checks the variables as a start would, and no file", async () => {
    const env = { HAPGENT_STATE_FILE: "/nowhere", LISTEN_PID: "a socket's, meant for the agent" };
    expect(await run("check --config", env)).toEqual({ code: 0, out: "ok", err: "" });
    expect(await run("check --config", { ...env, HAPGENT_FORGET: "60" })).toEqual({
      code: 0,
      out: "ok",
      err: "warning: HAPGENT_FORGET does nothing without HAPGENT_SOCKET or HAPGENT_STOP_STATUS",
    });
    expect(await run("check --config", { ...env, HAPGENT_PORT: "0" })).toEqual({
      code: 2,
      out: "",
      err: 'hapgent: HAPGENT_PORT: expected an integer from 1 to 65535, got "0"',
    });
    for (const line of ["check --config --json", "check --config a.json"]) {
      const { code, err: said } = await run(line);
      expect({ code, said: said.split("\n")[0] }).toEqual({
        code: 2,
        said: "hapgent: check: expected neither a FILE nor --json with --config",
      });
    }
  });

  // A process of its own, as standard input is one of a process.
  test.each([
    ['{"status":"UP"}'.padEnd(65_536), { stdout: "UP\n", stderr: "", exitCode: 0 }],
    [
      '{"status":"UP"}'.padEnd(65_537),
      { stdout: "", stderr: "-: expected at most 65536 bytes, got more\n", exitCode: 1 },
    ],
    [
      '{"status":"UP"}\u00e9',
      {
        stdout: "",
        stderr: '-:1:16: expected the end of the file, got "\u00e9"\n',
        exitCode: 1,
      },
    ],
  ])("reads standard input for -, up to 64 KiB (%#)", async (input, expected) => {
    const command = [process.execPath, `${ROOT}src/main.ts`, "check", "-"];
    expect(await outcome(command, { input, isClean: true })).toEqual(expected);
  });
});
