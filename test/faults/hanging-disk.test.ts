// A disk that does not answer holds up nothing for ever:
// - what is read or saved is given up after 5 s, which is logged, and the next event has its turn;
// - a save that comes back later leaves the file alone, so none overwrites a newer one;
// - a stop says what it could not save: a line, and exit code 1.
import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { dirname } from "node:path";
import { startAgent } from "../../scripts/lib/agent.ts";
import { cpuTime } from "../../scripts/lib/proc.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { formatState } from "../../src/state/state.ts";
import { injectInto, withInjected } from "./launchers.ts";

const STATE = { status: "UP", weight: 42 } as const;
const LATE = /error="the disk has not answered within 5 s"/;

describe.concurrent("a disk that does not answer", () => {
  test("holds up a reading for 5 s, and keeps no core busy", async () => {
    await using agent = await startAgent({ state: STATE, env: TUNED });
    {
      await using _ = await injectInto(agent.pid, "read,pread64:error=EAGAIN", agent.stateFile);
      agent.signal("SIGHUP");
      await agent.logs(/state file refused cause=SIGHUP .*the disk has not answered within 5 s/);
      expect(await agent.ask()).toBe("FAIL\n");
    }
    const before = cpuTime(agent.pid);
    await Bun.sleep(1000);
    expect(cpuTime(agent.pid) - before).toBeLessThan(100);
    // The file is read again before it is changed: it has kept its weight.
    agent.signal("SIGUSR2");
    await agent.answers("DOWN 42%\n");
    await until("saved", () => agent.file() === formatState({ ...STATE, status: "DOWN" }));
  });

  test("holds up a save for 5 s, and a save that comes back later changes nothing", async () => {
    await using agent = await startAgent({ state: STATE, socket: true, env: TUNED });
    const text = agent.file();
    const hanging = await injectInto(agent.pid, "fsync:delay_enter=60s");
    const first = await agent.ctl("set", "status", "DOWN");
    expect(first.stderr).toBe(
      "error: not saved: the disk has not answered within 5 s; the reply is DOWN 42%\n",
    );
    // This one waits for the first, which comes back too late.
    const second = agent.ctl("set", "status", "MAINT");
    await agent.answers("MAINT 42%\n");
    expect(agent.file()).toBe(text);
    const seen = new Set<string>();
    await hanging[Symbol.asyncDispose]();
    await until("saved", () => {
      seen.add(agent.file());
      return agent.file() !== text;
    });
    expect((await second).stdout).toBe("ok saved: MAINT 42%\n");
    expect([...seen]).toEqual([text, formatState({ ...STATE, status: "MAINT" })]);
    expect(readdirSync(dirname(agent.stateFile)).filter((name) => name.startsWith("."))).toEqual(
      [],
    );
    expect(agent.log.filter((line) => LATE.test(line))).toHaveLength(1);
  });

  test("in a save when it stops: exit code 1, and a line", async () => {
    // strace holds the end of the process up too.
    const launcher = withInjected("fsync:delay_enter=6s");
    await using agent = await startAgent({ state: STATE, launcher, env: TUNED });
    const text = agent.file();
    agent.signal("SIGUSR2");
    await agent.answers("DOWN 42%\n");
    expect(await agent.stop()).toBe(1);
    await agent.logs(/^hapgent: stopped, changes may be lost file=/);
    expect(agent.file()).toBe(text);
  });
});

test("a slow save is waited for by a stop", async () => {
  const launcher = withInjected("fsync:delay_enter=1s");
  await using agent = await startAgent({ state: STATE, launcher, env: TUNED });
  agent.signal("SIGUSR2");
  await agent.answers("DOWN 42%\n");
  expect(await agent.stop()).toBe(0);
  expect(agent.file()).toBe(formatState({ ...STATE, status: "DOWN" }));
});
