// The command line as a whole, in this process: what each command prints where, and its exit code.
import { afterEach, beforeEach, describe, expect, type Mock, spyOn, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { runCommand } from "../../src/commands/run.ts";

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

describe("hapgent status", () => {
  test("prints the reply, and says what it asked for with its mark", async () => {
    using server = serve("UP 50%\n", false);
    expect(await run(`status ${server.address}`)).toEqual({ code: 0, out: "UP 50%", err: "" });
    await run(`status ${server.address} --send web`);
    await until("both were sent", () => server.got.length === 2);
    expect(server.got).toEqual(["#\n", "#web\n"]);
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

  test("says that no socket is set", async () => {
    expect((await run("ctl reload")).err).toContain("set HAPGENT_SOCKET");
  });
});

test("hapgent check prints each file's reply or its problems", async () => {
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
