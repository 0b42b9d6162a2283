// A disk that does not answer holds up only what needs it: replies go on, and what was asked for is done
// when it is back. What is said of it, and after how long, is test/agent/hanging-disk.test.ts.
import { describe, expect, test } from "bun:test";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { startAgent } from "../../scripts/lib/agent.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { formatState } from "../../src/state/state.ts";
import { Connection } from "../contract/connection.ts";
import { calm } from "./calm.ts";
import { HangingDisk } from "./hanging.ts";
import { trace } from "./launchers.ts";

const STATE = { status: "UP", weight: 42 } as const;
const DOWN = formatState({ ...STATE, status: "DOWN" });

describe.concurrent("a disk that does not answer", () => {
  // A file server that is gone may let the machine know what the file was, but not open it.
  test.each(["the host", "a new service"])(
    "holds up no reply where it hangs only once the file of %s is opened",
    async (whose) => {
      using services = temporaryDirectory();
      const env = { HAPGENT_SERVICES: services.path, HAPGENT_REPLY: "exact" };
      await using agent = await startAgent({ state: STATE, env });
      const file = whose === "the host" ? agent.stateFile : `${services.path}/web.json`;
      {
        const hang = ["-o", "/dev/null", "-e", "inject=openat:delay_enter=600000000"];
        await using _ = await trace(agent.pid, hang, [file]);
        writeFileSync(file, JSON.stringify(STATE));
        agent.signal("SIGHUP");
        await agent.logs(/state file not read, the last state stays cause=\w+ .*not answered/);
        expect(await agent.ask()).toBe("UP 42%\n");
      }
      await calm(agent.pid);
      agent.signal("SIGUSR2");
      // The read may have been under way when the tracer went.
      await until("saved", () => agent.file().includes("DOWN"));
    },
  );

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
        env,
      });
      const ask = (name: string) => agent.ask({ payload: `${name}\n` });

      await disk.hang();
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

      await disk.hang();
      using _ = await Connection.open(agent.socket, "@web set status DRAIN\n");
      await until("set", async () => (await ask("web")).startsWith("DRAIN"));
      expect(await agent.stop()).toBe(1);
      expect(agent.log.at(-1)).toMatch(/stopped, changes may be lost .*web\.json/);
    },
  );
});
