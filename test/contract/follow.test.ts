// - `follow` overwrites nothing that a person has set; while a deploy holds the service it gives way,
//   too, which is in give-way.test.ts.
// - What it does not name stays; between UP and READY so does a person's word.
// - The same state again is neither saved nor logged.
import { describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import type { State } from "../../src/state/state.ts";
import { ask, command, show, start } from "./driver.ts";

describe("`follow`", () => {
  const DOWN = 'follow {"status":"DOWN","reason":"lag 40 s"}';

  test.each<[State, string, string]>([
    [{ status: "UP", reason: "anna" }, '"DOWN","reason":"lag"', "saved: DOWN #follow: lag"],
    [
      { status: "READY" },
      `"DOWN","reason":"${"x".repeat(100)}"`,
      `saved: DOWN #follow: ${"x".repeat(92)}`,
    ],
    [{ status: "DOWN", reason: "follow: lag" }, '"UP","weight":50', "saved: UP 50% #follow:"],
    // Weight and maxconn that are not named stay, as HAProxy keeps them.
    [{ status: "UP", weight: 10, maxconn: 7 }, '"DOWN"', "saved: DOWN 10% maxconn:7 #follow:"],
    [{ status: "DOWN", weight: 10, reason: "follow:" }, '"UP"', "saved: UP 10% #follow:"],
    // Between UP and READY so does a person's word.
    [{ status: "READY" }, '"UP"', "unchanged: READY"],
    [{ status: "UP", reason: "anna" }, '"READY"', "unchanged: UP #anna"],
    [{ status: "UP", reason: "anna" }, '"UP","weight":50,"reason":"load"', "saved: UP 50% #anna"],
    // HAProxy keeps a DRAIN, or MAINT, until READY.
    [{ status: "DRAIN", reason: "follow:" }, '"UP"', "saved: READY"],
    [{ status: "MAINT", reason: "follow:" }, '"UP"', "saved: READY"],
    [{ status: "READY", reason: "follow:" }, '"UP"', "unchanged: READY"],
  ])("over %j of %s is %s", async (state, wanted, answer) => {
    await using agent = await start({ state, socket: true });
    expect(await command(agent, `follow {"status":${wanted}}`)).toBe(`ok ${answer}`);
    expect(`${answer}\n`).toEndWith(`: ${await ask(agent)}`);
    expect(JSON.parse(agent.file())).toEqual((await show(agent, "state")).state);
  });

  test("of UP undoes its own DRAIN where replies are full by UP itself", async () => {
    const state = { status: "DRAIN", reason: "follow:" };
    await using agent = await start({ state, socket: true, env: { HAPGENT_REPLY: "full" } });
    expect(await command(agent, 'follow {"status":"UP"}')).toBe("ok saved: ready up 100% #follow:");
    expect(JSON.parse(agent.file())).toEqual({ status: "UP", reason: "follow:" });
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
});
