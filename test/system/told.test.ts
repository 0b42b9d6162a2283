// When `wait` is ok, or the agent has stopped, every line of every HAProxy shows it: each of these
// shapes was once told wrong. What HAProxy itself shows is the judge.
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { startAgent } from "../../scripts/lib/agent.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { writeServices } from "../contract/driver.ts";
import { startHaproxy } from "../haproxy.ts";
import { configure, HOST, served, startTold, statuses } from "./told.ts";

describe.concurrent("when wait is ok", () => {
  test.each([
    ["that differ", ["web\\n", "api\\n"], 2],
    ["that are the same", ["web\\n", "web\\n"], 1],
    ["that are none", ["\\n", "\\n", "\\n"], 1],
  ])("all lines of one HAProxy know, with agent-sends %s", async (_, sends, pollers) => {
    await using agent = await startTold();
    await using haproxy = await startHaproxy(configure(agent.port, sends));
    await served(agent, pollers);
    for (const [status, shown] of [
      ["DRAIN", "DRAIN (agent)"],
      ["DOWN", "DOWN (agent)"],
      ["READY", "UP"],
    ] as const) {
      await agent.ctl("set", "status", status);
      const { stdout, exitCode } = await agent.ctl("wait", "60");
      expect(exitCode).toBe(0);
      expect(stdout).toStartWith(
        `ok served to ${pollers === 1 ? "1 poller" : `all of ${pollers} pollers`} after `,
      );
      expect(await statuses(haproxy, sends.length)).toEqual(sends.map(() => shown));
    }
  });

  test("two lines that ask for one service of several know, however long their interval", async () => {
    using services = temporaryDirectory();
    writeServices(services.path, { web: '{"status":"UP"}' });
    await using agent = await startTold({ HAPGENT_SERVICES: services.path });
    // Longer than the interval that is assumed where two lines look like one.
    const sends = ["web\\n", "web 2\\n"];
    await using haproxy = await startHaproxy(configure(agent.port, sends, "3s"));
    await served(agent, 2);
    for (const [status, shown] of [
      ["DRAIN", "DRAIN (agent)"],
      ["READY", "UP"],
    ] as const) {
      await agent.ctl("@web", "set", "status", status);
      expect(await agent.ctl("@web", "wait", "60")).toMatchObject({ exitCode: 0 });
      expect(await statuses(haproxy, 2)).toEqual([shown, shown]);
    }
  });

  test("HAProxy shows the edit of a watched file, and the command after it", async () => {
    await using agent = await startTold({ HAPGENT_WATCH: "on" });
    await using haproxy = await startHaproxy(configure(agent.port, ["web\\n"]));
    await served(agent, 1);
    writeFileSync(agent.stateFile, '{"status":"DRAIN","reason":"by hand"}');
    await agent.ctl("set", "weight", "50");
    expect(await agent.ctl("wait", "60")).toMatchObject({ exitCode: 0 });
    expect(await haproxy.server("be0/s")).toMatchObject({ status: "DRAIN (agent)", uweight: 50 });
  });

  test("lines know that the agent has to learn after its start, where nobody is named", async () => {
    const options = { state: { status: "UP" }, socket: true, hostname: HOST, env: TUNED };
    await using agent = await startAgent(options);
    await using haproxy = await startHaproxy(configure(agent.port, ["web\\n", "api\\n"]));
    await agent.ctl("set", "status", "DRAIN");
    expect((await agent.ctl("wait", "0")).exitCode).toBe(1);
    expect(await agent.ctl("wait", "60")).toMatchObject({ exitCode: 0 });
    expect(await statuses(haproxy, 2)).toEqual(["DRAIN (agent)", "DRAIN (agent)"]);
  });
});

describe.concurrent("a stop status", () => {
  const STOP = { HAPGENT_STOP_STATUS: "DOWN", HAPGENT_STOP_GRACE: "60" };

  test("is known to all of eight lines before the agent ends", async () => {
    await using agent = await startTold(STOP);
    const sends = Array.from({ length: 8 }, (_, i) => `line${i}\\n`);
    await using haproxy = await startHaproxy(configure(agent.port, sends));
    await served(agent, 8);
    expect(await agent.stop()).toBe(0);
    expect(await statuses(haproxy, 8)).toEqual(sends.map(() => "DOWN (agent)"));
  });

  test("is undone by READY after the next start", async () => {
    await using first = await startTold(STOP);
    await using haproxy = await startHaproxy(configure(first.port, ["web\\n"]));
    await served(first, 1);
    expect(await first.stop()).toBe(0);
    expect(await statuses(haproxy, 1)).toEqual(["DOWN (agent)"]);
    writeFileSync(first.stateFile, '{"status":"READY"}');
    await using _next = await startAgent({
      stateFile: first.stateFile,
      hostname: HOST,
      env: { ...TUNED, ...STOP, HAPGENT_PORT: String(first.port) },
    });
    await haproxy.shows({ status: "UP" }, "be0/s");
  });
});
