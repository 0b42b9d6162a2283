// - A stop waits for clients, for saves and, with a stop status, for the pollers that have to hear of
//   it; none of it for ever, and not at a second signal.
// - The stop status comes before all states, and is never saved.
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { until } from "../../scripts/lib/until.ts";
import { formatState } from "../../src/state/state.ts";
import { Connection } from "./connection.ts";
import {
  ask,
  command,
  HOST,
  logOf,
  type Options,
  show,
  start,
  testHere,
  testInTime,
} from "./driver.ts";
import { holdSaves, stopTimers, wait } from "./here.ts";

const STOP: Options = {
  state: { status: "UP", weight: 50, reason: "as ever" },
  socket: true,
  env: { HAPGENT_STOP_STATUS: "DOWN", HAPGENT_STOP_GRACE: "60", HAPGENT_POLLERS: "127.0.0.2" },
};

/** Without names, and with a grace that is longer than a test may take. */
const UNASKED: Options = { env: { HAPGENT_STOP_STATUS: "DOWN", HAPGENT_STOP_GRACE: "3600" } };

describe("a stop", () => {
  test.each(["SIGTERM", "SIGINT"] as const)(
    "at %s is clean, and accepts nobody more",
    async (signal) => {
      await using agent = await start();
      // A client that holds its connection open does not hold the agent.
      using held = await Connection.open({ host: HOST, port: agent.port });
      expect(await held.lines()).toEqual(["UP"]);
      expect(await agent.stop(signal)).toBe(0);
      await expect(ask(agent)).rejects.toThrow("ECONNREFUSED");
      expect(await logOf(agent, 1)).toEqual([`hapgent: stopping cause=${signal}`]);
    },
  );

  testHere("waits for no client where there is none", async () => {
    await using agent = await start();
    using timers = stopTimers();
    agent.signal("SIGTERM");
    for (let i = 0; i < 100; i += 1) await timers.pass(1);
    expect(agent.process.exitCode).toBe(0);
  });
});

test("saves what a signal has set that came with it", async () => {
  for (let i = 0; i < 5; i += 1) {
    await using agent = await start();
    agent.signal("SIGUSR2");
    expect(await agent.stop()).toBe(0);
    expect(agent.file()).toBe(formatState({ status: "DOWN" }));
  }
});

testHere("saves what is set while it waits for a client", async () => {
  await using agent = await start();
  using saves = holdSaves();
  // All of this comes while it waits, also on a machine that is busy.
  using _ = wait(20);
  {
    using held = await Connection.open({ host: HOST, port: agent.port });
    expect(await held.lines()).toEqual(["UP"]);
    agent.signal("SIGTERM");
    await until("it accepts nobody more", () =>
      ask(agent)
        .then(() => false)
        .catch(() => true),
    );
    agent.signal("SIGUSR2");
  }
  // It would be over by now.
  await Bun.sleep(100);
  saves.release();
  expect(await agent.process.exited).toBe(0);
  expect(agent.file()).toBe(formatState({ status: "DOWN" }));
});

describe("the stop status", () => {
  testInTime("is answered until every poller has been served it", STOP, async (agent) => {
    for (let i = 0; i < 2; i += 1) {
      expect(await ask(agent, "", "127.0.0.2")).toBe("ready up 50% #as ever\n");
      await agent.pass(2);
    }
    const file = agent.file();
    agent.signal("SIGTERM");
    await agent.logs(/stop status/);
    // A stranger is nobody to wait for, and is answered all the same.
    expect(await ask(agent)).toBe("ready down 50%\n");
    await agent.pass(10);
    await Bun.sleep(250);
    expect(await ask(agent, "", "127.0.0.2")).toBe("ready down 50%\n");
    await agent.pass(0);
    await agent.pass(3);
    expect(await agent.process.exited).toBe(0);
    expect(agent.file()).toBe(file);
    expect(await logOf(agent, 3)).toEqual([
      "hapgent: stopping cause=SIGTERM",
      'hapgent: stop status reply="ready down 50%" seconds=60',
      expect.stringMatching(/^hapgent: stop status over seconds=[\d.]+ told=1$/),
    ]);
  });

  testInTime("is over when its time is, and says who was not told", STOP, async (agent) => {
    agent.signal("SIGTERM");
    await agent.logs(/stop status/);
    await agent.pass(50);
    await Bun.sleep(150);
    expect(await ask(agent)).toBe("ready down 50%\n");
    await agent.pass(10);
    expect(await agent.process.exited).toBe(0);
    expect((await logOf(agent, 3))[2]).toMatch(
      /^hapgent: stop status over seconds=[\d.]+ told=0 untold=127\.0\.0\.2$/,
    );
  });

  testInTime("is over after 2.5 s where nobody has asked", UNASKED, async (agent) => {
    await agent.pass(10);
    agent.signal("SIGTERM");
    await agent.logs(/stop status/);
    await agent.pass(2.5);
    expect(await agent.process.exited).toBe(0);
    expect((await logOf(agent, 3))[2]).toMatch(/^hapgent: stop status over seconds=[\d.]+ told=0$/);
  });

  test("is over at a second signal", async () => {
    await using agent = await start(STOP);
    agent.signal("SIGTERM");
    await agent.logs(/stop status/);
    expect(await ask(agent)).toBe("ready down 50%\n");
    expect(await agent.stop("SIGINT")).toBe(0);
    expect(await logOf(agent, 3)).toEqual([
      "hapgent: stopping cause=SIGTERM",
      'hapgent: stop status reply="ready down 50%" seconds=60',
      "hapgent: stopping cause=SIGINT",
    ]);
  });

  test("is answered whatever the state becomes; that is saved for the next start", async () => {
    const env = { ...STOP.env, HAPGENT_WATCH: "on", HAPGENT_REPLY: "exact" };
    await using agent = await start({ ...STOP, env });
    agent.signal("SIGTERM");
    await agent.logs(/stop status/);
    agent.signal("SIGUSR1");
    await until("saved", () => agent.file() === formatState({ status: "UP", weight: 50 }));
    expect(await ask(agent)).toBe("DOWN 50%\n");
    writeFileSync(agent.stateFile, '{"status":"DRAIN","weight":7}');
    // Until the save is over, its name on the disk too, memory is right.
    await agent.answers("DOWN 7%\n");
    expect(await command(agent, "set status UP")).toStartWith("ok saved: DOWN 7%");
    expect(await show(agent, "state")).toMatchObject({
      state: { status: "UP", weight: 7 },
      reply: "DOWN 7%",
    });
    expect(await agent.stop()).toBe(0);
    await using next = await start({ stateFile: agent.stateFile });
    expect(await ask(next)).toBe("UP 7%\n");
  });

  test("makes no service more available than it is", async () => {
    const services = { web: '{"status":"MAINT","weight":7}', db: '{"status":"UP"}' };
    const env = { ...STOP.env, HAPGENT_STOP_STATUS: "DRAIN" };
    await using agent = await start({ ...STOP, services, env });
    agent.signal("SIGTERM");
    await agent.logs(/stop status/);
    expect(await ask(agent, "web\n")).toBe("maint 7%\n");
    expect(await ask(agent, "db\n")).toBe("up drain 100%\n");
  });
});
