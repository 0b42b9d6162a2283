// A disk that does not answer holds up only what needs it: replies go on, and what was asked for is done
// when it is back. What is said of it, and after how long, is test/agent/hanging-disk.test.ts.
import { describe, expect, test } from "bun:test";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { startAgent } from "../../scripts/lib/agent.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { formatState } from "../../src/state/state.ts";
import { calm } from "./calm.ts";
import { HangingDisk } from "./hanging.ts";
import { trace, withInjected } from "./launchers.ts";

const STATE = { status: "UP", weight: 42 } as const;
const DOWN = formatState({ ...STATE, status: "DOWN" });

describe.concurrent("a disk that does not answer", () => {
  test.each(["off", "on"])("holds up no reply; the last change lands (watch %s)", async (watch) => {
    await using disk = await HangingDisk.mount();
    const source = `${disk.source}/state.json`;
    writeFileSync(source, JSON.stringify(STATE));
    const stateFile = `${disk.path}/state.json`;
    await using agent = await startAgent({ stateFile, env: { ...TUNED, HAPGENT_WATCH: watch } });
    disk.hang();
    const replies = await Promise.all(Array.from({ length: 20 }, () => agent.ask()));
    for (let i = 0; i < 50; i += 1) replies.push(await agent.ask());
    expect(new Set(replies)).toEqual(new Set(["UP 42%\n"]));
    agent.signal("SIGUSR2");
    await agent.answers("DOWN 42%\n");
    disk.answer();
    await until("saved", () => readFileSync(source, "utf8") === DOWN);
  });

  test("nor keeps a core busy where it says EAGAIN for ever", async () => {
    await using agent = await startAgent({ state: STATE, env: TUNED });
    {
      const again = ["-o", "/dev/null", "-e", "inject=read,pread64:error=EAGAIN"];
      await using _ = await trace(agent.pid, again, [agent.stateFile]);
      agent.signal("SIGHUP");
      await agent.logs(/state file not read, the last state stays cause=SIGHUP .*not answered/);
      expect(await agent.ask()).toBe("UP 42%\n");
    }
    await calm(agent.pid);
    agent.signal("SIGUSR2");
    await until("saved", () => agent.file() === DOWN);
  });

  test.each([
    ["is slow: a stop waits for it", "1s", 0, DOWN],
    ["hangs: a stop says what may be lost", "6s", 1, JSON.stringify(STATE)],
  ])("in a save %s", async (_, delay, exitCode, file) => {
    const launcher = withInjected(`fsync:delay_enter=${delay}`);
    await using agent = await startAgent({ state: STATE, launcher, env: TUNED });
    agent.signal("SIGUSR2");
    await agent.answers("DOWN 42%\n");
    expect(await agent.stop()).toBe(exitCode);
    expect(agent.file()).toBe(file);
    const lost = agent.log.filter((line) => line.includes("stopped, changes may be lost"));
    expect(lost).toHaveLength(exitCode);
  });

  test.each(["off", "on"])(
    "for one service takes nothing from the host and the others (watch %s)",
    async (watch) => {
      await using disk = await HangingDisk.mount();
      using services = temporaryDirectory();
      const web = `${disk.source}/web.json`;
      writeFileSync(web, '{"status":"UP","weight":1}');
      symlinkSync(`${disk.path}/web.json`, `${services.path}/web.json`);
      // It comes after the one that hangs, and has its turn all the same.
      const zoo = `${services.path}/zoo.json`;
      const edit = (weight: number) => writeFileSync(zoo, `{"status":"UP","weight":${weight}}`);
      edit(1);
      const env = { HAPGENT_SERVICES: services.path, HAPGENT_WATCH: watch, HAPGENT_REPLY: "exact" };
      await using agent = await startAgent({
        state: STATE,
        socket: true,
        env: { ...TUNED, ...env },
      });
      const ask = (name: string) => agent.ask({ payload: `${name}\n` });

      disk.hang();
      for (const weight of [2, 3, 4]) {
        edit(weight);
        agent.signal("SIGHUP");
        await until("read", async () => (await ask("zoo")) === `UP ${weight}%\n`);
        expect([await ask("web"), await agent.ask()]).toEqual(["UP 1%\n", "UP 42%\n"]);
      }
      expect((await agent.ctl("@zoo", "set", "status", "DRAIN")).stdout).toStartWith("ok saved");
      expect((await agent.ctl("@web", "set", "status", "DOWN")).stderr).toContain("not saved");
      agent.signal("SIGUSR2");
      await until("saved", () => agent.file() === DOWN);

      disk.answer();
      const saved = formatState({ status: "DOWN", weight: 1 });
      await until("saved", () => readFileSync(web, "utf8") === saved);
      agent.signal("SIGUSR1");
      writeFileSync(web, '{"status":"UP","weight":9}');
      agent.signal("SIGHUP");
      await until("read again", async () => (await ask("web")) === "UP 9%\n");
      expect(await agent.stop()).toBe(0);
    },
  );
});
