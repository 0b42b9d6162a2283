// `change` and `follow` give way to what somebody else has set; `hold` keeps other deploys out, and
// `follow`, which between UP and READY leaves a person's word, too.
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { until } from "../../scripts/lib/until.ts";
import type { State, Status } from "../../src/state/state.ts";
import { Connection } from "./connection.ts";
import { ask, command, show, start } from "./driver.ts";

test.each<[State, string, string]>([
  [{ status: "UP" }, "change UP to DRAIN", "DRAIN"],
  [{ status: "DOWN", weight: 5, reason: "deploy 7" }, "change DOWN deploy 7 to UP", "UP 5%"],
  [{ status: "DOWN", reason: "a to b" }, "change DOWN a to b to FAIL c to d", "FAIL #c to d"],
  [{ status: "UP", reason: " all  well " }, "change UP all  well to UP", "UP"],
  [{ status: "UP", reason: "anna" }, follow("DOWN", { reason: "l" }), "DOWN #follow: l"],
  [
    { status: "READY" },
    follow("DOWN", { reason: "x".repeat(100) }),
    `DOWN #follow: ${"x".repeat(92)}`,
  ],
  [{ status: "DOWN", reason: "follow: lag" }, follow("UP", { weight: 50 }), "UP 50% #follow:"],
  // Weight and maxconn that are not named stay, as HAProxy keeps them.
  [{ status: "UP", weight: 10, maxconn: 7 }, follow("DOWN"), "DOWN 10% maxconn:7 #follow:"],
  // Between UP and READY so does a person's word.
  [{ status: "UP", reason: "anna" }, follow("UP", { weight: 5, reason: "load" }), "UP 5% #anna"],
  // HAProxy keeps a DRAIN, or MAINT, until READY.
  [{ status: "DRAIN", reason: "follow:" }, follow("UP"), "READY"],
  [{ status: "MAINT", reason: "follow:" }, follow("UP"), "READY"],
])("over %j: %s", async (state, line, reply) => {
  await using agent = await start({ state, socket: true });
  expect(await command(agent, line)).toBe(`ok saved: ${reply}`);
  expect(await ask(agent)).toBe(`${reply}\n`);
  expect(JSON.parse(agent.file())).toEqual((await show(agent, "state")).state);
});

const NOT = /^error: not (chang|follow)ed: it is (.+) since [-\d]{10} [:\d]{8} UTC \(start\)$/;

test.each<[State, string, string]>([
  [{ status: "DRAIN" }, "change UP to DOWN", "DRAIN"],
  [{ status: "DRAIN" }, "change DRAIN why to UP", "DRAIN"],
  [{ status: "DOWN", reason: "deploy 7" }, "change DOWN to UP", 'DOWN "deploy 7"'],
  [{ status: "DOWN", reason: "deploy 7" }, "change DOWN deploy to UP", 'DOWN "deploy 7"'],
  [{ status: "DOWN" }, follow("UP"), "DOWN"],
  [{ status: "MAINT", reason: "disk" }, follow("MAINT", { weight: 5 }), 'MAINT "disk"'],
  [{ status: "FAIL", reason: "I follow: him" }, follow("UP"), 'FAIL "I follow: him"'],
  // What changes nothing is no error, saves nothing, and logs nothing.
  [{ status: "READY" }, follow("UP"), "ok unchanged: READY"],
  [{ status: "READY", reason: "follow:" }, follow("UP"), "ok unchanged: READY"],
  [{ status: "UP", reason: "anna" }, follow("READY"), "ok unchanged: UP #anna"],
  [
    { status: "DOWN", reason: "follow: lag" },
    follow("DOWN", { reason: "lag" }),
    "ok unchanged: DOWN #follow: lag",
  ],
])("nothing changes over %j: %s", async (state, line, what) => {
  await using agent = await start({ state, socket: true });
  // No save would leave it so.
  const before = ` ${agent.file()}`;
  writeFileSync(agent.stateFile, before);
  expect((await command(agent, line)).replace(NOT, "$2")).toBe(what);
  expect([agent.file(), agent.log.length]).toEqual([before, 1]);
});

test("`follow` of UP undoes its own DRAIN by UP itself where replies are full", async () => {
  const state = { status: "DRAIN", reason: "follow:" };
  await using agent = await start({ state, socket: true, env: { HAPGENT_REPLY: "full" } });
  expect(await command(agent, follow("UP"))).toBe("ok saved: ready up 100% #follow:");
  expect(JSON.parse(agent.file())).toEqual({ status: "UP", reason: "follow:" });
});

/** The line that follows to a state. */
function follow(status: Status, more: Partial<State> = {}): string {
  return `follow ${JSON.stringify({ status, ...more })}`;
}

describe("`hold`", () => {
  test("is for one at a time, as long as the connection is open", async () => {
    await using agent = await start({ socket: true });
    using first = await Connection.open(agent.socket, "hold deploy of anna\n");
    expect(await first.lines()).toEqual(["ok held"]);
    expect(await command(agent, "hold ben")).toMatch(/^error: held by deploy of anna for \d+ s$/);
    expect(first.ended).toBe("no");
    // It keeps out deploys, and nobody who changes the state.
    expect(await command(agent, "set status DRAIN")).toBe("ok saved: DRAIN");
    first.end();
    expect(await first.rest()).toBe("ok held\n");
    await until("it is free", async () => {
      using next = await Connection.open(agent.socket, "hold ben\n");
      return (await next.lines())[0] === "ok held";
    });
  });

  test("of the host and of its services exclude each other, and `follow`; two services do not", async () => {
    const up = '{"status":"UP"}';
    await using agent = await start({ socket: true, services: { web: up, api: up, db: up } });
    const hold = (line: string) => Connection.open(agent.socket, `${line}\n`);
    using web = await hold("@web hold anna");
    expect(await web.lines()).toEqual(["ok held"]);
    using api = await hold("@api hold ben");
    expect(await api.lines()).toEqual(["ok held"]);
    for (const refused of ["@web hold carl", "hold carl", "@web follow", "follow"]) {
      const line = refused.endsWith("follow") ? `${refused} {"status":"DOWN"}` : refused;
      expect(await command(agent, line)).toMatch(
        /^error: (not followed: )?held by anna for \d+ s$/,
      );
    }
    expect(await command(agent, '@db follow {"status":"DOWN"}')).toStartWith("ok saved");
    web[Symbol.dispose]();
    await until("web is free", async () => {
      return (await command(agent, "hold carl")).startsWith("error: held by ben for ");
    });
    expect(await command(agent, '@web follow {"status":"DOWN"}')).toStartWith("ok saved");
    api[Symbol.dispose]();
    using host = await until("the host is free", async () => {
      const client = await hold("hold carl");
      const [answer] = await client.lines();
      if (answer !== "ok held") client[Symbol.dispose]();
      return answer === "ok held" ? client : undefined;
    });
    expect(await command(agent, "@web hold anna")).toMatch(/^error: held by carl for \d+ s$/);
    expect(host.ended).toBe("no");
  });
});
