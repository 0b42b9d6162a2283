// With HAPGENT_WATCH=on:
// - a changed file is answered at the very next check, however it was changed;
// - a bad file is logged once, and the last good state stays;
// - nothing is done between checks.
import { describe, expect, test } from "bun:test";
import { renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { startAgent } from "../../scripts/lib/agent.ts";
import { swapDirectory } from "../../scripts/lib/config-map.ts";
import { countSwitches, readDescriptors } from "../../scripts/lib/proc.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { formatState } from "../../src/state/state.ts";
import { askFrom, QUIET } from "./client.ts";

const WATCH = { ...TUNED, HAPGENT_WATCH: "on" };

/** Ways to give a file another text. */
const CHANGES: Record<string, (file: string, text: string) => void> = {
  "written in place": writeFileSync,
  "renamed over by an editor": replaceFile,
  "deleted and written anew": (file, text) => {
    rmSync(file);
    writeFileSync(file, text);
  },
  "swapped with its directory, as Kubernetes does": swapDirectory,
};

describe.concurrent("a file that is watched", () => {
  test.each(Object.entries(CHANGES))(
    "and %s is answered at the very next check",
    async (_, change) => {
      using directory = temporaryDirectory();
      const stateFile = `${directory.path}/state.json`;
      if (change === swapDirectory) symlinkSync("..data/state.json", stateFile);
      else writeFileSync(stateFile, "");
      change(stateFile, '{"status":"READY"}');
      await using agent = await startAgent({ stateFile, env: WATCH });
      expect(await agent.ask()).toBe("READY\n");
      for (let i = 0; i < 100; i += 1) {
        const [status, weight] = i % 2 ? ["UP", 5] : ["DRAIN", 100 + i];
        change(stateFile, JSON.stringify({ status, weight }));
        expect(await agent.ask()).toBe(`${status} ${weight}%\n`);
      }
      expect(agent.log.filter((line) => line.includes("cause=watch"))).toHaveLength(100);
    },
  );

  test("keeps the last good state when it is bad, and logs each bad file once", async () => {
    await using agent = await startAgent({ state: { status: "UP", weight: 5 }, env: WATCH });
    const bad: [string, string][] = [
      ["", "expected a JSON object, got nothing"],
      ['{"status":', "1:11: expected a value, got the end of the file"],
      ['{"status":"UP","weight":300}', "weight: expected an integer from 0 to 255, got 300"],
      [" ".repeat(65_537), "expected at most 65536 bytes, got 65537"],
    ];
    for (const [text, reason] of bad) {
      const before = agent.log.length;
      writeFileSync(agent.stateFile, text);
      const checks = Array.from({ length: 20 }, () => agent.ask());
      expect(new Set(await Promise.all(checks))).toEqual(new Set(["UP 5%\n"]));
      for (let i = 0; i < 10; i += 1) expect(await agent.ask()).toBe("UP 5%\n");
      expect(agent.log.slice(before)).toEqual([
        expect.stringContaining(
          "hapgent: state file refused, the last good state stays cause=watch",
        ),
      ]);
      expect(agent.log.at(-1)).toContain(reason);
    }
    writeFileSync(agent.stateFile, '{"status":"DRAIN"}');
    expect(await agent.ask()).toBe("DRAIN\n");
  });

  test("keeps the last good state when it vanishes, and is answered when it returns", async () => {
    await using agent = await startAgent({ state: { status: "UP", weight: 5 }, env: WATCH });
    const away = `${agent.stateFile}.away`;
    for (let round = 0; round < 3; round += 1) {
      renameSync(agent.stateFile, away);
      for (let i = 0; i < 10; i += 1) expect(await agent.ask()).toBe(`UP ${5 + round}%\n`);
      expect(agent.log.filter((line) => /error=.*\(ENOENT\)/.test(line))).toHaveLength(round + 1);
      if (round < 2) writeFileSync(away, JSON.stringify({ status: "UP", weight: 6 + round }));
      renameSync(away, agent.stateFile);
      expect(await agent.ask()).toBe(`UP ${Math.min(6 + round, 7)}%\n`);
    }
    rmSync(dirname(agent.stateFile), { recursive: true });
    expect(await agent.ask()).toBe("UP 7%\n");
  });

  test("that was bad at the start is answered as soon as it is good", async () => {
    await using agent = await startAgent({ state: "bad", env: WATCH });
    for (let i = 0; i < 5; i += 1) expect(await agent.ask()).toBe("FAIL\n");
    expect(agent.log.filter((line) => line.includes("refused"))).toHaveLength(1);
    writeFileSync(agent.stateFile, '{"status":"MAINT"}');
    expect(await agent.ask()).toBe("MAINT\n");
  });

  test("is not news when the agent itself has saved it", async () => {
    await using agent = await startAgent({ state: { status: "UP" }, env: WATCH, socket: true });
    for (let i = 0; i < 10; i += 1) {
      const status = i % 2 ? "UP" : "DOWN";
      const saved = i + 1;
      agent.signal(i % 2 ? "SIGUSR1" : "SIGUSR2");
      await agent.answers(`${status}${i === 0 ? "" : ` ${i}%`}\n`);
      expect((await agent.ctl("set", "weight", String(saved))).exitCode).toBe(0);
      for (let j = 0; j < 3; j += 1) expect(await agent.ask()).toBe(`${status} ${saved}%\n`);
      expect(agent.file()).toBe(formatState({ status: i % 2 ? "UP" : "DOWN", weight: saved }));
    }
    expect(agent.log.filter((line) => /watch|refused|failed/.test(line))).toEqual([]);
    expect(agent.log.filter((line) => line.includes("cause="))).toHaveLength(20);
  });

  test("does not undo a change that could not be saved, until it changes itself", async () => {
    using directory = temporaryDirectory();
    const stateFile = `${directory.path}/state.json`;
    writeFileSync(stateFile, '{"status":"UP"}');
    const mount = `mount --bind ${stateFile} ${stateFile}
      mount -o remount,bind,ro ${stateFile}; exec "$@"`;
    const launcher = ["unshare", "--mount", "--propagation=private", "sh", "-ec", mount, "sh"];
    await using agent = await startAgent({ stateFile, env: WATCH, launcher });
    agent.signal("SIGUSR2");
    await agent.logs(/save failed .*EROFS/);
    for (let i = 0; i < 5; i += 1) expect(await agent.ask()).toBe("DOWN\n");
    writeFileSync(stateFile, '{"status":"READY","weight":1}');
    expect(await agent.ask()).toBe("READY 1%\n");
  });

  test("is read by SIGHUP as ever: a bad one makes FAIL, a good one ends it", async () => {
    await using agent = await startAgent({ state: { status: "UP" }, env: WATCH });
    agent.change({ status: "DRAIN" });
    await agent.answers("DRAIN\n");
    writeFileSync(agent.stateFile, "bad");
    expect(await agent.ask()).toBe("DRAIN\n");
    agent.signal("SIGHUP");
    await agent.answers("FAIL\n");
    expect(await agent.ask()).toBe("FAIL\n");
    writeFileSync(agent.stateFile, '{"status":"DRAIN","weight":2}');
    expect(await agent.ask()).toBe("DRAIN 2%\n");
  });

  test("and changes under concurrent checks and reloads is never answered late", async () => {
    await using agent = await startAgent({ state: { status: "UP", weight: 0 }, env: WATCH });
    let version = 0;
    const isLate: string[] = [];
    const check = async () => {
      const before = version;
      const reply = await agent.ask();
      const weight = Number(/^UP (\d+)%\n$/.exec(reply)?.[1]);
      if (!(weight >= before && weight <= version)) isLate.push(`${before}: ${reply}`);
    };
    const checkers = Array.from({ length: 8 }, async () => {
      while (version < 200) await check();
    });
    while (version < 200) {
      version += 1;
      replaceFile(agent.stateFile, JSON.stringify({ status: "UP", weight: version }));
      if (version % 5 === 0) agent.signal("SIGHUP");
      await check();
    }
    await Promise.all(checkers);
    expect(isLate).toEqual([]);
  });

  test("costs no descriptor and no wakeup between checks", async () => {
    await using agent = await startAgent({ state: { status: "UP" }, env: WATCH });
    for (let i = 0; i < 50; i += 1) {
      replaceFile(agent.stateFile, JSON.stringify({ status: "UP", weight: i }));
      await agent.ask();
    }
    const descriptors = readDescriptors(agent.pid);
    expect(descriptors.filter((name) => /inotify|timerfd|state\.json/.test(name))).toEqual([]);
    let switches = -1;
    await until("2 s without a context switch", async () => {
      const before = switches;
      switches = countSwitches(agent.pid);
      if (switches === before) return true;
      await Bun.sleep(2000);
      return false;
    });
  });
});

describe.concurrent("a poller of an agent that watches its file", () => {
  const POLLED = { state: { status: "UP" }, hostname: QUIET, socket: true };

  test("that closes its half at once is served", async () => {
    await using agent = await startAgent({ ...POLLED, env: WATCH });
    for (let i = 0; i < 20; i += 1) {
      expect(await askFrom(`127.0.0.${2 + i}`, agent)).toBe("UP\n");
    }
    expect((await agent.ctl("wait", "5", "20")).stdout).toStartWith(
      "ok served to all of 20 pollers",
    );
  });

  test("that hangs up before the answer is none", async () => {
    await using agent = await startAgent({ ...POLLED, env: WATCH });
    for (let i = 0; i < 100; i += 1) {
      const { hostname, port } = agent;
      const socket = { data: () => undefined };
      (await Bun.connect({ hostname, port, socket })).terminate();
    }
    expect(await agent.ask()).toBe("UP\n");
    const { stdout } = await agent.ctl("show", "pollers");
    expect(JSON.parse(stdout)).toEqual([
      { address: "127.0.0.1", sent: "", age: expect.any(Number), reply: "UP", isServed: true },
    ]);
  });
});

/** As editors and atomic writers do. */
function replaceFile(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}
