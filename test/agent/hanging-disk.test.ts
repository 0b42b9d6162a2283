// A disk that hangs, or the server behind it, does not stop the replies. Here the disk is the test's;
// test/faults has a real one.
import { afterEach, describe, expect, jest, type Mock, spyOn, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { until } from "../../scripts/lib/until.ts";
import * as disk from "../../src/state/disk.ts";
import * as reads from "../../src/state/read.ts";
import * as replacing from "../../src/state/replace.ts";
import { ask, command, logOf, refuse, show, start } from "../contract/driver.ts";
import { turn } from "../contract/here.ts";

type Calls = Record<"identify" | "findState" | "replaceFile", (...args: unknown[]) => unknown>;

const mocks: Mock<(...args: never[]) => unknown>[] = [];

afterEach(() => {
  for (const mock of mocks.splice(0)) mock.mockRestore();
});

/** Makes a call hang for this path until it is released; then it does what it always does. */
function hang(name: "identify" | "findState" | "replaceFile", path: string): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  const module = (name === "replaceFile" ? replacing : reads) as unknown as Calls;
  const call = module[name];
  const mock = spyOn(module, name);
  mock.mockImplementation((given, ...rest) =>
    given === path ? promise.then(() => call(given, ...rest)) : call(given, ...rest),
  );
  mocks.push(mock as never);
  return () => {
    mock.mockRestore();
    resolve();
  };
}

/** Lets nobody wait for a disk for longer than a moment. */
function impatient(): void {
  const { within } = disk;
  const mock = spyOn(disk, "within").mockImplementation((milliseconds, work) =>
    within(milliseconds / 50, work),
  );
  mocks.push(mock as never);
}

describe("a disk that hangs", () => {
  test("at a check holds up that one, for 0.2 s, and is logged once", async () => {
    await using agent = await start({ env: { HAPGENT_WATCH: "on" }, socket: true });
    writeFileSync(agent.stateFile, '{"status":"DRAIN"}');
    const release = hang("identify", agent.stateFile);
    const checks = Array.from({ length: 5 }, () => ask(agent));
    expect(await Promise.all(checks)).toEqual(Array(5).fill("UP\n"));
    for (let i = 0; i < 5; i += 1) expect(await ask(agent)).toBe("UP\n");
    expect((await show(agent, "state")).reply).toBe("UP");
    expect(await logOf(agent, 1)).toEqual([
      `hapgent: state file does not answer, the last state stays file=${agent.stateFile}`,
    ]);
    release();
    await agent.answers("DRAIN\n");
  });

  test("at a look for a new service holds up that check only", async () => {
    const env = { HAPGENT_WATCH: "on" };
    await using agent = await start({ env, services: { web: '{"status":"UP"}' } });
    const file = `${agent.services}/api.json`;
    writeFileSync(file, '{"status":"MAINT"}');
    const release = hang("identify", file);
    expect(await ask(agent, "api\n")).toBe("FAIL #no such service\n");
    expect(await ask(agent, "web\n")).toBe("ready up 100%\n");
    release();
    await until("it is there", async () => (await ask(agent, "api\n")) === "maint 100%\n");
  });

  test("at a reload changes nothing, and is said after 5 s", async () => {
    await using agent = await start({ socket: true });
    writeFileSync(agent.stateFile, '{"status":"DRAIN"}');
    const release = hang("findState", agent.stateFile);
    impatient();
    expect(await command(agent, "reload")).toBe(
      "error: not read: the disk has not answered within 5 s; the reply is UP",
    );
    expect(await ask(agent)).toBe("UP\n");
    expect(await logOf(agent, 1)).toEqual([
      `hapgent: state file not read, the last state stays cause=socket file=${agent.stateFile} error="the disk has not answered within 5 s"`,
    ]);
    release();
    await until("it is read", async () => {
      return (await command(agent, "reload")) === "ok loaded: DRAIN";
    });
  });

  test("at a save holds up who waits for it; at the stop it is said that it may be lost", async () => {
    await using agent = await start({ socket: true });
    const release = hang("replaceFile", agent.stateFile);
    agent.signal("SIGUSR2");
    await agent.answers("DOWN\n");
    agent.signal("SIGUSR1");
    await agent.answers("UP\n");
    impatient();
    expect(await command(agent, "set weight 5")).toBe(
      "error: not saved: the disk has not answered within 5 s; the reply is UP 5%",
    );
    expect(await agent.stop()).toBe(1);
    expect(agent.log.at(-1)).toBe(`hapgent: stopped, changes may be lost file=${agent.stateFile}`);
    release();
    await until("nothing is written any more", () => agent.file().includes("5"));
  });

  test("at the start is said, and the exit code is 1", async () => {
    hang("findState", "/state.json");
    // For its process this is the end: nothing comes after it.
    mocks.push(spyOn(disk, "within").mockImplementation((_, work) => work) as never);
    jest.useFakeTimers();
    try {
      const refused = refuse({ HAPGENT_STATE_FILE: "/state.json" });
      while (mocks[0]?.mock.calls.length === 0) await turn();
      jest.advanceTimersByTime(5000);
      const { exitCode, log } = await refused;
      expect([exitCode, log.at(-1)]).toEqual([
        1,
        "hapgent: cannot start: /state.json was not read within 5 s: its disk hangs, " +
          "or no thread may be started (pids limit, ulimit -u, seccomp)",
      ]);
    } finally {
      jest.useRealTimers();
    }
  });
});
