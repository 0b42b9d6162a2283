// - Each command is answered with one line, and a change only once it is saved.
// - A command that is refused changes nothing.
import { describe, expect, test } from "bun:test";
import { until } from "../../scripts/lib/until.ts";
import { refuseControl } from "../../src/controls.ts";
import { formatReply } from "../../src/state/reply.ts";
import { parseState } from "../../src/state/state.ts";
import { ask, command, show, start } from "./driver.ts";

const SINCE = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

describe("a control command", () => {
  test("is answered when it is saved, and what it does not name stays", async () => {
    await using agent = await start({
      state: { status: "DOWN", weight: 5, reason: "old" },
      socket: true,
    });
    expect(await command(agent, "help wait")).toStartWith("ok wait SECONDS [COUNT]: answer once ");
    for (const [line, reply] of [
      ["set weight 007", "DOWN 7% #old"],
      ["set maxconn 65535", "DOWN 7% maxconn:65535 #old"],
      ["\t set  status FAIL  deploying v42 \r", "FAIL 7% maxconn:65535 #deploying v42"],
      ["set status UP", "UP 7% maxconn:65535"],
      ['set state {"status":"STOPPED","weight":null,"reason":"all"}', "STOPPED #all"],
    ] as const) {
      expect(await command(agent, line)).toBe(`ok saved: ${reply}`);
      expect(formatReply([await parseState(agent.file())], "exact")).toBe(`${reply}\n`);
      expect(await ask(agent)).toBe(`${reply}\n`);
    }
  });

  test("`show state` tells the state, its reply, since when it is so, and by what", async () => {
    const state = { status: "DOWN", weight: 5, maxconn: 7, reason: 'a "b"' };
    await using agent = await start({ state, socket: true });
    const first = await show(agent, "state");
    const reply = 'DOWN 5% maxconn:7 #a "b"';
    expect(first).toEqual({ state, reply, since: SINCE, by: "start" });
    for (const [by, status, act] of [
      ["socket", "STOPPED", () => command(agent, "set status STOPPED")],
      ["SIGUSR1", "UP", () => agent.signal("SIGUSR1")],
      ["SIGUSR2", "DOWN", () => agent.signal("SIGUSR2")],
      ["SIGHUP", "MAINT", () => agent.change({ status: "MAINT" })],
    ] as const) {
      await act();
      await until(by, async () => (await show(agent, "state")).by === by);
      // An edit before the save would be lost in it.
      await until("the save", () => agent.file().includes(status));
    }
    const last = await show(agent, "state");
    expect(Date.parse(last.since)).toBeGreaterThanOrEqual(Date.parse(first.since));
    // The same state once more is no change.
    await command(agent, "set status MAINT");
    expect(await show(agent, "state")).toEqual({ ...last, since: SINCE, by: "SIGHUP" });
  });

  test.each([
    ["exact", "UP", "DRAIN why", "DRAIN (HAProxy shows no reason with DRAIN)"],
    ["exact", "MAINT", "UP", "UP (HAProxy keeps the MAINT until READY)"],
    ["exact", "STOPPED", "READY", "READY (HAProxy keeps the STOPPED until UP)"],
    ["exact", "DRAIN DOWN", "UP", "UP (HAProxy keeps the DRAIN until READY)"],
    ["exact", "FAIL MAINT", "READY", "READY (HAProxy keeps the FAIL until UP)"],
    ["full", "MAINT", "UP", "ready up 100%"],
    ["full", "UP", "DRAIN why", "up drain 100% #why"],
  ])("says what HAProxy does not show, or keeps (%s replies, %s to %s)", async (...row) => {
    const [mode, statuses, wanted, answer] = row;
    const [status, ...more] = statuses.split(" ");
    const env = { HAPGENT_REPLY: mode };
    await using agent = await start({ state: { status }, socket: true, env });
    for (const word of more) await command(agent, `set state {"status":"${word}"}`);
    expect(await command(agent, `set status ${wanted}`)).toBe(`ok saved: ${answer}`);
  });

  test.each(["off", "on"])(
    "leaves memory, file and reply alike after signals and commands at once (watch %s)",
    async (watch) => {
      const env = { HAPGENT_WATCH: watch };
      await using agent = await start({ socket: true, env });
      const answers: string[] = [];
      for (let i = 0; i < 20; i += 1) {
        const lines = Array.from({ length: 10 }, (_, j) =>
          j % 2 ? `set weight ${i * 10 + j}` : "set status DRAIN",
        );
        agent.signal((["SIGUSR1", "SIGUSR2", "SIGHUP"] as const)[i % 3] ?? "SIGHUP");
        answers.push(...(await Promise.all(lines.map((line) => command(agent, line)))));
      }
      expect(answers.filter((answer) => !answer.startsWith("ok saved: "))).toEqual([]);
      expect(await command(agent, "set status READY")).toMatch(/^ok saved: READY \d+%/);
      expect(await ask(agent)).toBe(`READY ${JSON.parse(agent.file()).weight}%\n`);
      expect(await command(agent, "reload")).toBe(`ok loaded: ${(await ask(agent)).trim()}`);
      // What it has saved itself is no news.
      expect(agent.log.filter((line) => /cause=file|refused|failed/.test(line))).toEqual([]);
    },
  );
});

/** Lines that are no command, or have too little or too much after its name. */
const NONE = [
  ...["", "show", "show nothing", "show state now", "SHOW STATE", "relaod", "set", "reload now"],
  ...["set weight 5 6", "wait 5 6 7", "forget", "forget a b", "forget silent x", "hold"],
  ...["change", "change UP", "change UP to nothing", "help me", "\0\x01"],
];

const STATUS = "status: expected one of UP, DOWN, READY, DRAIN, FAIL, MAINT, STOPPED, got";
const REASON = "reason: expected at most 100 printable ASCII characters, got";

test("a command that is refused is an error, and nothing changes", async () => {
  await using agent = await start({
    state: '{"status":"DOWN","weight":5,"reason":"old"}',
    socket: true,
  });
  const before = [agent.file(), await show(agent, "state")];
  for (const [line, error] of [
    ...NONE.map((line) => [line, refuseControl(line).replace("error: ", "")] as const),
    ["set status down", `${STATUS} "down" (did you mean DOWN?)`],
    ["set status DOWN caf\xc3\xa9", `${REASON} "caf\xc3\xa9"`],
    [`set status DOWN ${"x".repeat(101)}`, `${REASON} "${"x".repeat(60)}..."`],
    ["set weight 256", "weight: expected an integer from 0 to 255, got 256"],
    ["set maxconn 1e3", 'maxconn: expected an integer from 0 to 65535, got "1e3"'],
    ["set state {}", `${STATUS} nothing`],
    ["set state {'a", '1:2: expected a property name, got "\'" (JSON has double quotes only)'],
    ["wait 86401", 'wait: expected seconds from 0 to 86400, got "86401"'],
    ["wait 0 4097", 'wait: expected a number of pollers from 0 to 4096, got "4097"'],
    ["@web show state", 'no such service: "web"'],
    ["x".repeat(1025), "expected a line of at most 1024 bytes"],
  ] as const) {
    expect([line, await command(agent, line)]).toEqual([line, `error: ${error}`]);
  }
  const after = { ...(await show(agent, "state")), since: before[1].since };
  expect([agent.file(), after]).toEqual(before);
  expect(agent.log.filter((entry) => entry.includes("cause="))).toEqual([]);
});
