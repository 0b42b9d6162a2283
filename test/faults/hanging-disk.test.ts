// A disk that does not answer holds up only what needs it:
// - the replies go on; a read that gets no answer within 5 s changes nothing, and is said;
// - saves on other disks go on; when the disk is back, the last state is saved;
// - one service's file that hangs takes nothing from the host and the other services;
// - a stop says what it could not save: a line, and exit code 1.
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { startAgent } from "../../scripts/lib/agent.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { formatState } from "../../src/state/state.ts";
import { isCalm } from "./calm.ts";
import { HangingDisk } from "./hanging.ts";
import { injectInto, withInjected } from "./launchers.ts";

const STATE = { status: "UP", weight: 42 } as const;
const LATE = /error="the disk has not answered within 5 s"/;

/** Longer than anything waits for a disk. */
const FOR_EVER = "delay_enter=60s";

describe.concurrent("a disk that does not answer", () => {
  test("a reading: the last state stays, and no core is kept busy", async () => {
    await using agent = await startAgent({ state: STATE, env: TUNED });
    {
      await using _ = await injectInto(agent.pid, "read,pread64:error=EAGAIN", agent.stateFile);
      agent.signal("SIGHUP");
      await agent.logs(/state file not read, the last state stays cause=SIGHUP .*not answered/);
      expect(await agent.ask()).toBe("UP 42%\n");
    }
    expect(await isCalm(agent.pid)).toBe(true);
    agent.signal("SIGUSR2");
    await agent.answers("DOWN 42%\n");
    await until("saved", () => agent.file() === formatState({ ...STATE, status: "DOWN" }));
  });

  test("a save: told after 5 s, the next one at once; the last state lands in the end", async () => {
    await using agent = await startAgent({ state: STATE, socket: true, env: TUNED });
    const text = agent.file();
    const hanging = await injectInto(agent.pid, `fsync:${FOR_EVER}`);
    for (const status of ["DOWN", "STOPPED", "MAINT"]) {
      expect((await agent.ctl("set", "status", status)).stderr).toBe(
        `error: not saved: the disk has not answered within 5 s; the reply is ${status} 42%\n`,
      );
    }
    expect(agent.file()).toBe(text);
    const seen = new Set<string>();
    await hanging[Symbol.asyncDispose]();
    const last = formatState({ ...STATE, status: "MAINT" });
    await until("saved", () => {
      seen.add(agent.file());
      return agent.file() === last;
    });
    // Of those that came during a save only the last one is written.
    expect(seen.has(formatState({ ...STATE, status: "STOPPED" }))).toBe(false);
    expect((await agent.ctl("set", "weight", "5")).stdout).toBe("ok saved: MAINT 5%\n");
    const names = readdirSync(dirname(agent.stateFile));
    expect(names.filter((name) => name.endsWith("hapgent-new"))).toEqual([]);
    expect(agent.log.filter((line) => LATE.test(line))).toHaveLength(3);
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

  test.each(["off", "on"])("a save holds up no reply (watch %s)", async (watch) => {
    const env = { ...TUNED, HAPGENT_WATCH: watch };
    await using agent = await startAgent({ state: STATE, env });
    const text = agent.file();
    {
      await using _ = await injectInto(agent.pid, `fsync:${FOR_EVER}`);
      agent.signal("SIGUSR2");
      await agent.answers("DOWN 42%\n");
      for (let i = 0; i < 50; i += 1) expect(await agent.ask()).toBe("DOWN 42%\n");
      expect(agent.file()).toBe(text);
    }
    await until("saved", () => agent.file() === formatState({ ...STATE, status: "DOWN" }));
  });

  test("a watched file: replies go on, it is said once, and what is there then counts", async () => {
    await using disk = await HangingDisk.mount();
    writeFileSync(`${disk.source}/state.json`, JSON.stringify(STATE));
    const env = { ...TUNED, HAPGENT_WATCH: "on" };
    await using agent = await startAgent({ stateFile: `${disk.path}/state.json`, env });
    disk.hang();
    const replies = await Promise.all(Array.from({ length: 20 }, () => agent.ask()));
    for (let i = 0; i < 50; i += 1) replies.push(await agent.ask());
    expect(new Set(replies)).toEqual(new Set(["UP 42%\n"]));
    expect(agent.log.filter((line) => line.includes("does not answer"))).toHaveLength(1);
    writeFileSync(`${disk.source}/state.json`, formatState({ status: "DOWN" }));
    disk.answer();
    await agent.answers("DOWN\n");
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

describe.concurrent("one service's file hangs", () => {
  test.each([
    { watch: "off", reloads: 3 },
    { watch: "on", reloads: 2 },
  ])(
    "$reloads times SIGHUP, watch $watch: all else goes on, and all is back with the disk",
    async ({ watch, reloads }) => {
      await using disk = await HangingDisk.mount();
      using services = temporaryDirectory();
      writeFileSync(`${disk.source}/web.json`, '{"status":"UP","weight":1}');
      symlinkSync(`${disk.path}/web.json`, `${services.path}/web.json`);
      const edit = (name: string, weight: number) =>
        writeFileSync(`${services.path}/${name}.json`, `{"status":"UP","weight":${weight}}`);
      for (const name of ["api", "zoo"]) edit(name, 1);
      const on = { HAPGENT_SERVICES: services.path, HAPGENT_WATCH: watch, HAPGENT_REPLY: "exact" };
      await using agent = await startAgent({
        state: STATE,
        socket: true,
        env: { ...TUNED, ...on },
      });
      const ask = (name: string) => agent.ask({ payload: `${name}\n` });

      disk.hang();
      for (let weight = 2; weight < 2 + reloads; weight += 1) {
        for (const name of ["api", "zoo"]) edit(name, weight);
        agent.signal("SIGHUP");
        // It comes after the one that hangs, and has its turn all the same.
        await until("read", async () => (await ask("zoo")) === `UP ${weight}%\n`);
        expect(await ask("api")).toBe(`UP ${weight}%\n`);
        expect(await ask("web")).toBe("UP 1%\n");
        expect(await agent.ask()).toBe("UP 42%\n");
      }
      const set = await agent.ctl("@api", "set", "status", "DRAIN");
      expect(set.stdout).toStartWith("ok saved: DRAIN");
      expect(readFileSync(`${services.path}/api.json`, "utf8")).toContain("DRAIN");
      expect((await agent.ctl("@web", "set", "status", "DOWN")).stderr).toContain("not saved");
      agent.signal("SIGUSR2");
      await until("saved", () => agent.file() === formatState({ ...STATE, status: "DOWN" }));
      agent.signal("SIGUSR1");
      await until("saved", () => agent.file() === formatState(STATE));
      expect(await ask("web")).toBe("DOWN 1%\n");

      disk.answer();
      const saved = formatState({ status: "DOWN", weight: 1 });
      await until("saved", () => readFileSync(`${disk.source}/web.json`, "utf8") === saved);
      writeFileSync(`${disk.source}/web.json`, '{"status":"UP","weight":9}');
      agent.signal("SIGHUP");
      await until("read again", async () => (await ask("web")) === "UP 9%\n");
      expect(await agent.stop()).toBe(0);
    },
  );
});
