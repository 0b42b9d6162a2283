// `change` gives way to what somebody else has set; `hold` keeps other deploys out.
import { describe, expect, test } from "bun:test";
import { until } from "../../scripts/lib/until.ts";
import { Connection } from "./connection.ts";
import { ask, command, start } from "./driver.ts";

describe("`change A to B`", () => {
  test.each([
    [{ status: "UP" }, "change UP to DRAIN", "ok saved: DRAIN"],
    [
      { status: "DOWN", weight: 5, reason: "deploy 7" },
      "change DOWN deploy 7 to UP",
      "ok saved: UP 5%",
    ],
    [
      { status: "DOWN", reason: "a to b" },
      "change DOWN a to b to FAIL c to d",
      "ok saved: FAIL #c to d",
    ],
    [{ status: "UP" }, "change UP to UP", "ok saved: UP"],
    [{ status: "UP", reason: " all  well " }, "change UP all  well to DRAIN", "ok saved: DRAIN"],
    [{ status: "UP", reason: " " }, "change UP to DRAIN", "ok saved: DRAIN"],
  ])("over %j: %s", async (state, line, answer) => {
    await using agent = await start({ state, socket: true });
    expect(await command(agent, line)).toBe(answer);
    expect(`ok saved: ${await ask(agent)}`).toBe(`${answer}\n`);
  });

  test.each([
    [{ status: "UP" }, "change DRAIN to UP", "UP"],
    [{ status: "DRAIN" }, "change DRAIN why to UP", "DRAIN"],
    [{ status: "DOWN", reason: "deploy 7" }, "change DOWN to UP", 'DOWN "deploy 7"'],
    [{ status: "DOWN", reason: "deploy 7" }, "change DOWN deploy to UP", 'DOWN "deploy 7"'],
    [{ status: "DOWN", reason: "deploy" }, "change DOWN deploy 7 to UP", 'DOWN "deploy"'],
  ])("gives way over %j: %s", async (state, line, what) => {
    await using agent = await start({ state, socket: true });
    const before = agent.file();
    expect(await command(agent, line)).toMatch(
      new RegExp(`^error: not changed: it is ${what} since \\d\\d:\\d\\d:\\d\\d UTC \\(start\\)$`),
    );
    expect(agent.file()).toBe(before);
  });
});

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
