// - `follow` overwrites nothing that a person has set, and does nothing while a deploy holds the service.
// - What it does not name stays; between UP and READY so does a person's word.
// - The same state again is neither saved nor logged.
import { describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { until } from "../../scripts/lib/until.ts";
import { formatState, type State } from "../../src/state/state.ts";
import { Connection } from "./connection.ts";
import { ask, command, show, start } from "./driver.ts";

describe("`follow`", () => {
  const DOWN = 'follow {"status":"DOWN","reason":"lag 40 s"}';

  test.each<[State, string, string, State]>([
    [
      { status: "UP", reason: "anna" },
      '{"status":"DOWN","reason":"lag 40 s"}',
      "DOWN #follow: lag 40 s",
      { status: "DOWN", reason: "follow: lag 40 s" },
    ],
    [
      { status: "READY" },
      `{"status":"DOWN","reason":"${"x".repeat(100)}"}`,
      `DOWN #follow: ${"x".repeat(92)}`,
      { status: "DOWN", reason: `follow: ${"x".repeat(92)}` },
    ],
    [
      { status: "DOWN", reason: "follow: lag 40 s" },
      '{"status":"UP","weight":50}',
      "UP 50% #follow:",
      { status: "UP", weight: 50, reason: "follow:" },
    ],
  ])("over %j of %s is %s", async (state, wanted, reply, saved) => {
    await using agent = await start({ state, socket: true });
    expect(await command(agent, `follow ${wanted}`)).toBe(`ok saved: ${reply}`);
    expect(agent.file()).toBe(formatState(saved));
  });

  test.each([
    [{ status: "UP", weight: 10, maxconn: 7 }, "DOWN", "DOWN 10% maxconn:7 #follow:"],
    [{ status: "DOWN", weight: 10, reason: "follow:" }, "UP", "UP 10% #follow:"],
  ])("over %j of %s keeps weight and maxconn, as HAProxy does", async (state, status, reply) => {
    await using agent = await start({ state, socket: true });
    expect(await command(agent, `follow {"status":"${status}"}`)).toBe(`ok saved: ${reply}`);
  });

  test.each([
    [{ status: "READY" }, '{"status":"UP"}', "ok unchanged: READY"],
    [{ status: "UP", reason: "anna" }, '{"status":"READY"}', "ok unchanged: UP #anna"],
    [
      { status: "UP", reason: "anna" },
      '{"status":"UP","weight":50,"reason":"load"}',
      "ok saved: UP 50% #anna",
    ],
  ])(
    "between UP and READY leaves a person's word: over %j of %s",
    async (state, wanted, answer) => {
      await using agent = await start({ state, socket: true });
      expect(await command(agent, `follow ${wanted}`)).toBe(answer);
    },
  );

  test.each([
    ["DRAIN", "exact", "READY"],
    ["MAINT", "exact", "READY"],
    ["READY", "exact", undefined],
    ["DOWN", "exact", "UP"],
    ["DRAIN", "full", "UP"],
  ])("of UP undoes its own %s where replies are %s: %s", async (status, mode, next) => {
    const state = { status, reason: "follow:" };
    await using agent = await start({ state, socket: true, env: { HAPGENT_REPLY: mode } });
    expect(await command(agent, 'follow {"status":"UP"}')).toStartWith(
      next ? "ok saved" : "ok unchanged",
    );
    expect((await show(agent, "state")).state).toEqual({
      status: next ?? status,
      reason: "follow:",
    });
  });

  test("changes nothing, and logs nothing, when it is that state already", async () => {
    await using agent = await start({ socket: true });
    expect(await command(agent, DOWN)).toBe("ok saved: DOWN #follow: lag 40 s");
    rmSync(agent.stateFile);
    for (let i = 0; i < 3; i += 1) {
      expect(await command(agent, DOWN)).toBe("ok unchanged: DOWN #follow: lag 40 s");
    }
    expect(agent.log.length).toBe(2);
    expect(() => agent.file()).toThrow("ENOENT");
  });

  test.each([
    [{ status: "MAINT", reason: "bad disk" }, 'MAINT "bad disk"'],
    [{ status: "DOWN" }, "DOWN"],
    [{ status: "FAIL", reason: "I follow: nobody" }, 'FAIL "I follow: nobody"'],
  ])("gives way to what a person has set: %j", async (state, what) => {
    await using agent = await start({ state, socket: true });
    const before = agent.file();
    for (const wanted of ["UP", state.status]) {
      expect(await command(agent, `follow {"status":"${wanted}","weight":5}`)).toMatch(
        new RegExp(
          `^error: not followed: it is ${what} since \\d\\d:\\d\\d:\\d\\d UTC \\(start\\)$`,
        ),
      );
    }
    expect(agent.file()).toBe(before);
  });

  test("gives way to whoever holds the service or its host", async () => {
    const up = '{"status":"UP"}';
    await using agent = await start({ socket: true, services: { web: up, api: up } });
    const held = /^error: not followed: held by anna for \d+ s$/;
    using web = await Connection.open(agent.socket, "@web hold anna\n");
    expect(await web.lines()).toEqual(["ok held"]);
    expect(await command(agent, `@web ${DOWN}`)).toMatch(held);
    expect(await command(agent, DOWN)).toMatch(held);
    expect(await command(agent, `@api ${DOWN}`)).toStartWith("ok saved");
    web[Symbol.dispose]();
    await until("web is free", async () => {
      return (await command(agent, `@web ${DOWN}`)).startsWith("ok saved");
    });
  });

  test.each(['{"status":"UP"', '{"status":"up"}', "UP"])("refuses %s", async (text) => {
    await using agent = await start({ socket: true });
    expect(await command(agent, `follow ${text}`)).toStartWith("error: ");
    expect(await ask(agent)).toBe("UP\n");
  });
});
