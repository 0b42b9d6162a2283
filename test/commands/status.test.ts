// `status` is a check as HAProxy makes it: one line within the time, of words that HAProxy knows.
// It marks itself as no load balancer, and what it prints no terminal obeys.
import { expect, test } from "bun:test";
import { freePort } from "../../scripts/lib/port.ts";
import { until } from "../../scripts/lib/until.ts";
import { stopTimers, turn } from "../contract/here.ts";
import { run, serve } from "./captured.ts";

const WORDS = "hapgent status: HERE: expected words that HAProxy knows, got ";

test.each<[options: string, text: string, code: number, printed: string]>([
  ["", "DOWN 50% maxconn:0 #v42, (100%)!\n", 0, "DOWN 50% maxconn:0 #v42, (100%)!"],
  ["", "up\tdrain,7%,maxconn:1\n", 0, "up\tdrain,7%,maxconn:1"],
  ["", "", 1, "hapgent status: HERE: connected, but it said nothing"],
  ["", "x".repeat(16_383), 1, `hapgent status: HERE: expected a line, got "${"x".repeat(60)}"`],
  ["", "UP -5%\n", 1, `${WORDS}"UP -5%"`],
  ["", " \n", 1, `${WORDS}" "`],
  // A description comes with a health word only.
  ["", "drain #v\n", 1, `${WORDS}"drain #v"`],
  ["--json", "UP\n", 0, '{"ok":true,"address":"HERE","reply":"UP","problems":[]}'],
  ["--json", "", 1, '{"ok":false,"address":"HERE","problems":["connected, but it said nothing"]}'],
  // A monitor's probe.
  ["--expect UP,READY", "READY 75%\n", 0, "OK: READY 75%"],
  ["--expect up", "UP #down drain\n", 0, "OK: UP #down drain"],
  ["--expect READY", "ready up 100%\n", 0, "OK: ready up 100%"],
  ["--expect DRAIN", "up drain\n", 0, "OK: up drain"],
  ["--expect STOPPED", "drain ready stopped\n", 0, "OK: drain ready stopped"],
  ["--expect MAINT", "maint\tdown\n", 0, "OK: maint\tdown"],
  ["--expect UP,READY", "DOWN #v42\n", 2, 'CRITICAL: HERE: expected UP or READY, got "DOWN #v42"'],
  ["--expect READY", "ready down\n", 2, 'CRITICAL: HERE: expected READY, got "ready down"'],
  ["--expect UP", "up drain\n", 2, 'CRITICAL: HERE: expected UP, got "up drain"'],
])("with %j of %j it ends with %i and prints %s", async (options, text, code, printed) => {
  using server = serve([text]);
  const shown = printed.replace("HERE", server.address);
  const [out, err] = shown.startsWith("hapgent") ? ["", shown] : [shown, ""];
  expect(await run(`status ${server.address} ${options}`.trim())).toEqual({ code, out, err });
});

test.each(["", "--expect UP", "--expect DOWN", "--json"])(
  "what is not printable ASCII is an escape, with %j too",
  async (options) => {
    for (const text of ["UP #\u001b[2J\u007f caf\u00e9 \u009b1m\n", "\u001b\u009b1m\n"]) {
      using server = serve([text]);
      const { out, err } = await run(`status ${server.address} ${options}`.trim());
      expect(out + err).toMatch(/^[\t -~]*\\u001b[\t -~]*\\u009b1m[\t -~]*$/);
    }
  },
);

test("it sends a line, waits for no more than one of HAProxy's length, and closes", async () => {
  using long = serve(["x".repeat(16_383)], { isClosing: false });
  expect((await run(`status ${long.address} --timeout 60`)).code).toBe(1);
  using lines = serve(["UP 5%\r\nDOWN\n"], { isClosing: false });
  for (const send of ["", " --send web-1.2"]) {
    expect((await run(`status ${lines.address} --timeout 60${send}`)).out).toBe("UP 5%");
  }
  await until("it has closed", () => long.seen.ended + lines.seen.ended === 3);
  // It marks itself, and names the service.
  expect(lines.seen.got).toEqual(["#hapgent:\n", "#hapgent:web-1.2\n"]);
});

test.each([
  ["", "connected, but it said nothing within 0.2 s"],
  ["UP", 'expected a line within 0.2 s, got "UP"'],
])("a server that sends %j and no more is given up after --timeout", async (text, problem) => {
  using server = serve([text], { isClosing: false });
  using timers = stopTimers();
  let isOver = false;
  const ended = run(`status ${server.address} --timeout 0.2`).finally(() => {
    isOver = true;
  });
  while (server.seen.got.length === 0) await turn();
  // What it sends is read meanwhile.
  await timers.pass(199);
  expect(isOver).toBe(false);
  await timers.pass(1);
  const err = `hapgent status: ${server.address}: ${problem}`;
  expect(await ended).toEqual({ code: 1, out: "", err });
  while (server.seen.ended === 0) await turn();
});

test("--wait tries again, and not for ever", async () => {
  const pieces = ["nonsense\n"];
  using server = serve(pieces);
  expect((await run(`status ${server.address} --wait 0.5`)).code).toBe(1);
  // Nor without a pause between two tries.
  const { opened } = server.seen;
  expect(opened).toBeLessThan(20);
  const waiting = run(`status ${server.address} --wait 600`);
  await until("it has asked", () => server.seen.got.length > opened);
  pieces[0] = "UP\n";
  expect((await waiting).out).toBe("UP");
});

test("where nobody listens it says so; an address without a port has HAPGENT_PORT", async () => {
  const port = String(freePort());
  const err = `hapgent status: 127.0.0.1:${port}: connection refused (ECONNREFUSED)`;
  expect(await run(`status 127.0.0.1:${port}`)).toEqual({ code: 1, out: "", err });
  const { err: own } = await run("status", { HAPGENT_IP: "0.0.0.0", HAPGENT_PORT: port });
  expect(own).toBe(err);
  expect(await run("status 127.0.0.1", { HAPGENT_PORT: port })).toEqual({ code: 1, out: "", err });
  // With a port of its own nothing else is read; and 9777 is the default of the variable.
  expect((await run(`status 127.0.0.1:${port}`, { HAPGENT_PORT: "0" })).err).toBe(err);
  const { out } = await run("status 127.45.67.89 --json");
  expect(JSON.parse(out).address).toBe("127.45.67.89:9777");
});

// As where IPv6 is off, or the agent has only a socket of the other family.
test.each([
  ["::", "127.0.0.1", "127.0.0.1"],
  ["0.0.0.0", "::1", "[::1]"],
])("an agent on all addresses, %s, is asked on %s too", async (ip, hostname, shown) => {
  using server = serve(["UP\n"], { hostname });
  const env = { HAPGENT_IP: ip, ...server.env };
  expect(await run("status", env)).toEqual({ code: 0, out: "UP", err: "" });
  expect(JSON.parse((await run("status --json", env)).out).address).toBe(
    `${shown}:${env.HAPGENT_PORT}`,
  );
});
