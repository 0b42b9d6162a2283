// `ctl` sends one line to the control socket and prints the line that answers it: an error on
// stderr, a list as a table on a terminal, nothing that a terminal obeys.
import { expect, test } from "bun:test";
import { stopTimers, turn } from "../contract/here.ts";
import { run, serve } from "./captured.ts";

test.each([
  ["ok saved: UP\nmore\n", "ok saved: UP", { ok: true, answer: "saved: UP", problems: [] }],
  ["error: no\n", "error: no", { ok: false, problems: ["no"] }],
  ["ok \u009b31m\n", "ok \\u009b31m", { ok: true, answer: "\u009b31m", problems: [] }],
  ['{"reply":"UP"}\n', '{"reply":"UP"}', { ok: true, answer: { reply: "UP" }, problems: [] }],
])("the answer %j is printed as %s, with --json as %j", async (text, shown, json) => {
  using server = serve([text]);
  const [code, out, err] = json.ok ? [0, shown, ""] : [1, "", shown];
  expect(await run("ctl @web set status UP", server.env)).toEqual({ code, out, err });
  const printed = await run("ctl --json @web set status UP", server.env);
  expect({ ...printed, out: JSON.parse(printed.out) }).toEqual({ code, out: json, err: "" });
  expect(printed.out).toMatch(/^[ -~]+$/);
  expect(server.seen.got).toEqual(["@web set status UP\n", "@web set status UP\n"]);
});

test("hold is refused: it would end with the connection, and keep nobody out", async () => {
  using server = serve(["ok held\n"]);
  for (const command of ["hold anna", "@web hold anna"]) {
    const { code, err } = await run(`ctl ${command}`, server.env);
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining("use hapgent deploy") });
  }
  expect(server.seen.got).toEqual([]);
});

test("an answer is printed whole, however it comes", async () => {
  const bytes = Buffer.from("ok caf\u00e9\n");
  const end = bytes.indexOf(0xc3) + 1;
  using server = serve([bytes.subarray(0, end), bytes.subarray(end)]);
  expect((await run("ctl help", server.env)).out).toBe("ok caf\u00e9");
});

const SERVICES = [
  { name: "web", state: { status: "UP", weight: 5 }, isServed: true, reply: null },
  { name: "a-longer-one", state: { status: "DOWN" }, isServed: false, reply: "\u001b" },
];
const TABLE = `name          status  weight  isServed  reply
web           UP      5       yes       -
a-longer-one  DOWN    -       no        \\u001b`;

test.each([
  [SERVICES, TABLE],
  [[], "none"],
])("on a terminal the list %j is a table; elsewhere it is as it came", async (list, table) => {
  const text = JSON.stringify(list);
  using server = serve([`${text}\n`]);
  const { isTTY } = process.stdout;
  try {
    process.stdout.isTTY = true;
    expect((await run("ctl show services", server.env)).out).toBe(table);
    process.stdout.isTTY = false;
    expect((await run("ctl show services", server.env)).out).toBe(text);
  } finally {
    process.stdout.isTTY = isTTY;
  }
});

test.each([
  [[" set status DOWN", "two\r\nlines", ""], "set status DOWN two lines\n"],
  [["--", "set", "status", "UP", "-h"], "set status UP -h\n"],
  [["set", "weight", "-5"], "set weight -5\n"],
  [["set status DOWN", "why --json"], "set status DOWN why --json\n"],
  [["@web", "--json", "show", "state"], "@web show state\n"],
  [["@web", "@db", "--"], "@web @db --\n"],
])("of %j one line is sent: %j", async (words, line) => {
  using server = serve(["ok\n"]);
  await run(["ctl", ...words], server.env);
  expect(server.seen.got).toEqual([line]);
});

test.each([
  ["help", 10],
  ["wait 30", 40],
  ["wait -20", 10],
  ["@web wait 30 1", 40],
])("%s has %i s for its answer", async (line, seconds) => {
  using silent = serve([], { isClosing: false });
  using timers = stopTimers();
  let isOver = false;
  const ended = run(`ctl ${line}`, silent.env).finally(() => {
    isOver = true;
  });
  while (silent.seen.got.length === 0) await turn();
  await timers.pass(seconds * 1000 - 1);
  expect(isOver).toBe(false);
  await timers.pass(1);
  expect((await ended).err).toEndWith(`: nothing within ${seconds} s`);
});

test("where there is no agent, or no socket is set, it says so", async () => {
  const gone = "no answer from /nowhere/sock: no such file or directory (ENOENT)";
  const env = { HAPGENT_SOCKET: "/nowhere/sock" };
  expect(await run("ctl help", env)).toEqual({ code: 1, out: "", err: `hapgent ctl: ${gone}` });
  expect((await run("ctl help")).err).toStartWith("hapgent ctl: set HAPGENT_SOCKET");
  for (const [each, why] of [
    [env, gone],
    [{}, expect.stringMatching(/^set HAPGENT_SOCKET/)],
  ]) {
    const { code, out, err } = await run("ctl --json help", each);
    const outcome = { ok: false, problems: [why] };
    expect({ code, out: JSON.parse(out), err }).toEqual({ code: 1, out: outcome, err: "" });
  }
  using silent = serve([]);
  expect((await run("ctl help", silent.env)).err).toEndWith(": closed without an answer");
});
