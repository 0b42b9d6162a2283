// `status` is a check as HAProxy makes it: one line within the time, of words that HAProxy knows.
// It marks itself as no load balancer, and what it prints no terminal obeys.
import { expect, test } from "bun:test";
import { freePort } from "../../scripts/lib/port.ts";
import { until } from "../../scripts/lib/until.ts";
import { run } from "./captured.ts";

/** A server that sends something to whoever connects, and what it was sent. */
function serve(text: string, { hostname = "127.0.0.1", isClosing = true } = {}) {
  const got: string[] = [];
  let count = 0;
  let ended = 0;
  const server = Bun.listen({
    hostname,
    port: 0,
    // Whoever connects has to close, too.
    allowHalfOpen: true,
    socket: {
      open(client) {
        count += 1;
        if (isClosing) client.end(text);
        else client.write(text);
      },
      data: (_, chunk) => void got.push(chunk.toString()),
      end(client) {
        ended += 1;
        if (isClosing) client.end();
      },
    },
  });
  return {
    got,
    port: server.port,
    opened: () => count,
    ended: () => ended,
    address: `${hostname}:${server.port}`,
    [Symbol.dispose]: () => server.stop(true),
  };
}

test.each(["DOWN 50% maxconn:0 #deploying v42, (100%)!", "up\tdrain,7%"])(
  "the well-formed reply %j is printed",
  async (reply) => {
    using server = serve(`${reply}\n`);
    const { address } = server;
    expect(await run(`status ${address}`)).toEqual({ code: 0, out: reply, err: "" });
    const { code, out } = await run(`status --json ${address}`);
    const printed = { ok: true, address, reply, problems: [] };
    expect({ code, printed: JSON.parse(out) }).toEqual({ code: 0, printed });
  },
);

test.each([
  ["", "connected, but it said nothing"],
  ["x".repeat(16_383), `expected a line, got "${"x".repeat(60)}"`],
  ["UP -5%\n", 'expected words that HAProxy knows, got "UP -5%"'],
  ["drain #why\n", 'expected words that HAProxy knows, got "drain #why"'],
  ["\u009b31mhello\n", String.raw`expected words that HAProxy knows, got "\u009b31mhello"`],
])("%j is refused", async (text, problem) => {
  using server = serve(text);
  const { address } = server;
  const err = `hapgent status: ${address}: ${problem}`;
  expect(await run(`status ${address}`)).toEqual({ code: 1, out: "", err });
  const { code, out } = await run(`status ${address} --json`);
  const printed = expect.objectContaining({ ok: false, address, problems: [problem] });
  expect({ code, printed: JSON.parse(out) }).toEqual({ code: 1, printed });
});

test("it waits for no more than a line of HAProxy's length, and closes", async () => {
  using long = serve("x".repeat(16_383), { isClosing: false });
  expect((await run(`status ${long.address} --timeout 60`)).code).toBe(1);
  using lines = serve("UP 5%\r\nDOWN\n", { isClosing: false });
  expect((await run(`status ${lines.address} --timeout 60`)).out).toBe("UP 5%");
  await until("it has closed", () => long.ended() + lines.ended() === 2);
});

test("a server that sends half a line, or nothing, is given up after --timeout", async () => {
  for (const [text, problem] of [
    ["", "connected, but it said nothing within 0.2 s"],
    ["UP", 'expected a line within 0.2 s, got "UP"'],
  ] as const) {
    using server = serve(text, { isClosing: false });
    const err = `hapgent status: ${server.address}: ${problem}`;
    expect(await run(`status ${server.address} --timeout 0.2`)).toEqual({ code: 1, out: "", err });
  }
});

test("--wait tries again, and not for ever", async () => {
  using server = serve("nonsense\n");
  expect((await run(`status ${server.address} --wait 0.2`)).code).toBe(1);
  expect(server.opened()).toBeGreaterThan(1);
});

test.each([
  ["UP,READY", "READY 75%", undefined],
  ["up", "UP #back", undefined],
  ["DRAIN", "up drain 100%", undefined],
  ["UP", "up drain 100%", 'expected UP, got "up drain 100%"'],
  ["UP,READY", "DOWN #deploying", 'expected UP or READY, got "DOWN #deploying"'],
])("with --expect %s it is a monitor's probe of %j", async (expected, reply, problem) => {
  using server = serve(`${reply}\n`);
  const { address } = server;
  const result =
    problem === undefined
      ? { code: 0, out: `OK: ${reply}`, err: "" }
      : { code: 2, out: `CRITICAL: ${address}: ${problem}`, err: "" };
  expect(await run(`status ${address} --expect ${expected}`)).toEqual(result);
});

test("it sends its mark, and the name of the service", async () => {
  using server = serve("UP\n", { isClosing: false });
  await run(`status ${server.address}`);
  await run(`status ${server.address} --send web-1.2`);
  await until("both were sent", () => server.got.length === 2);
  expect(server.got).toEqual(["#hapgent:\n", "#hapgent:web-1.2\n"]);
});

test("what is not printable ASCII is an escape, in every form of output", async () => {
  const reply = "UP #\u001b[2J\u007f\u009b1m caf\u00e9 \u{1f600}";
  const shown = "UP #\\u001b[2J\\u007f\\u009b1m caf\\u00e9 \\ud83d\\ude00";
  using server = serve(`${reply}\n`);
  const { address } = server;
  expect((await run(`status ${address}`)).out).toBe(shown);
  expect((await run(`status ${address} --expect UP`)).out).toBe(`OK: ${shown}`);
  const { out } = await run(`status ${address} --json`);
  expect(out).toMatch(/^[ -~]+$/);
  expect(JSON.parse(out).reply).toBe(reply);
});

test("where nobody listens it says so; an address without a port has 9777", async () => {
  const port = String(freePort());
  const err = `hapgent status: 127.0.0.1:${port}: connection refused (ECONNREFUSED)`;
  expect(await run(`status 127.0.0.1:${port}`)).toEqual({ code: 1, out: "", err });
  const { err: own } = await run("status", { HAPGENT_IP: "0.0.0.0", HAPGENT_PORT: port });
  expect(own).toBe(err);
  const { out } = await run("status 127.45.67.89 --json");
  expect(JSON.parse(out).address).toBe("127.45.67.89:9777");
});

// As where IPv6 is off, or the agent has only a socket of the other family.
test.each([
  ["::", "127.0.0.1", "127.0.0.1"],
  ["0.0.0.0", "::1", "[::1]"],
])("an agent on all addresses, %s, is asked on %s too", async (ip, hostname, shown) => {
  using server = serve("UP\n", { hostname });
  const env = { HAPGENT_IP: ip, HAPGENT_PORT: String(server.port) };
  expect(await run("status", env)).toEqual({ code: 0, out: "UP", err: "" });
  expect(JSON.parse((await run("status --json", env)).out).address).toBe(`${shown}:${server.port}`);
});
