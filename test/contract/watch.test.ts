// With HAPGENT_WATCH=on a check is answered with what is in the file at that moment, however it was
// changed; a bad file is logged once, and the last good state stays; a command and a signal look at
// the file first. What the agent has saved itself, or could not save, is no edit.
import { describe, expect, test } from "bun:test";
import {
  closeSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import type { AgentProcess } from "../../scripts/lib/agent.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { formatState } from "../../src/state/state.ts";
import { swapDirectory } from "../config-map.ts";
import { ask, command, start } from "./driver.ts";

const WATCH = { HAPGENT_WATCH: "on" };

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

describe("a file that is watched", () => {
  test.each(Object.entries(CHANGES))("and %s is answered at the next check", async (_, change) => {
    using directory = temporaryDirectory();
    const stateFile = `${directory.path}/state.json`;
    if (change === swapDirectory) symlinkSync("..data/state.json", stateFile);
    else writeFileSync(stateFile, "");
    change(stateFile, '{"status":"READY"}');
    await using agent = await start({ stateFile, env: WATCH });
    await expectReply(agent, "READY\n");
    for (let i = 0; i < 50; i += 1) {
      const [status, weight] = i % 2 ? ["UP", 5] : ["DRAIN", 100 + i];
      change(stateFile, JSON.stringify({ status, weight }));
      await expectReply(agent, `${status} ${weight}%\n`);
    }
    await until("each is logged", () => newsOf(agent).length >= 50);
    expect(newsOf(agent).filter((line) => line.includes("cause=file"))).toHaveLength(50);
  });

  test("is named once where it was replaced outside its mount", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/state.json`;
    writeFileSync(path, '{"status":"UP"}');
    // As a mount of the file alone: it shows the old one, which has no name any more.
    const mounted = openSync(path, "r");
    try {
      await using agent = await start({
        stateFile: `/proc/${process.pid}/fd/${mounted}`,
        env: WATCH,
      });
      rmSync(path);
      for (let i = 0; i < 3; i += 1) await expectReply(agent, "UP\n");
      await until("the log", () => newsOf(agent).length > 0);
      expect(newsOf(agent)).toEqual([expect.stringContaining("was replaced outside its mount")]);
    } finally {
      closeSync(mounted);
    }
  });

  test("keeps the last good state when it is bad or gone, and is logged once each time", async () => {
    await using agent = await start({ state: { status: "UP", weight: 5 }, env: WATCH });
    const spoil: [string, () => void][] = [
      [
        "1:11: expected a value, got the end of the file (cut off?)",
        () => writeFileSync(agent.stateFile, '{"status":'),
      ],
      ["no such file or directory (ENOENT)", () => rmSync(agent.stateFile)],
    ];
    for (const [, act] of spoil) {
      act();
      const checks = Array.from({ length: 20 }, () => ask(agent));
      expect(new Set(await Promise.all(checks))).toEqual(new Set(["UP 5%\n"]));
    }
    writeFileSync(agent.stateFile, '{"status":"DRAIN"}');
    await expectReply(agent, "DRAIN\n");
    rmSync(dirname(agent.stateFile), { recursive: true });
    await expectReply(agent, "DRAIN\n");
    const refused = "hapgent: state file refused, the last good state stays cause=file";
    await until("all is logged", () => newsOf(agent).length >= 4);
    expect(newsOf(agent)).toEqual([
      ...spoil.map(([why]) => `${refused} file=${agent.stateFile} error=${JSON.stringify(why)}`),
      'hapgent: state cause=file old="UP 5%" new=DRAIN',
      `${refused} file=${agent.stateFile} error="no such file or directory (ENOENT)"`,
    ]);
  });

  test("that was bad at the start, or is for SIGHUP, is FAIL until it is good", async () => {
    await using agent = await start({ state: "bad", env: WATCH });
    for (let i = 0; i < 5; i += 1) await expectReply(agent, "FAIL\n");
    expect(agent.log.filter((line) => line.includes("refused"))).toHaveLength(1);
    writeFileSync(agent.stateFile, '{"status":"MAINT"}');
    await expectReply(agent, "MAINT\n");
    writeFileSync(agent.stateFile, "bad");
    await expectReply(agent, "MAINT\n");
    agent.signal("SIGHUP");
    await agent.answers("FAIL\n");
    writeFileSync(agent.stateFile, '{"status":"DRAIN","weight":2}');
    await expectReply(agent, "DRAIN 2%\n");
  });

  test("is not news when the agent itself has saved it", async () => {
    await using agent = await start({ env: WATCH, socket: true });
    for (let i = 1; i <= 10; i += 1) {
      const status = i % 2 ? "UP" : "DOWN";
      agent.signal(i % 2 ? "SIGUSR1" : "SIGUSR2");
      await agent.answers(`${status}${i === 1 ? "" : ` ${i - 1}%`}\n`);
      expect(await command(agent, `set weight ${i}`)).toBe(`ok saved: ${status} ${i}%`);
      for (let j = 0; j < 3; j += 1) await expectReply(agent, `${status} ${i}%\n`);
      expect(agent.file()).toBe(formatState({ status: i % 2 ? "UP" : "DOWN", weight: i }));
    }
    expect(agent.log.filter((line) => /cause=file|refused|failed/.test(line))).toEqual([]);
    expect(newsOf(agent)).toHaveLength(20);
  });

  test.each([0, 1])(
    "is no edit while a change could not be saved, until it changes itself: %i",
    async (exitCode) => {
      using directory = temporaryDirectory();
      const stateFile = `${directory.path}/state.json`;
      mkdirSync(stateFile);
      await using agent = await start({ stateFile, env: WATCH });
      agent.signal("SIGUSR2");
      await agent.logs(/save failed/);
      for (let i = 0; i < 5; i += 1) await expectReply(agent, "DOWN\n");
      if (exitCode === 0) {
        rmSync(stateFile, { recursive: true });
        writeFileSync(stateFile, '{"status":"READY","weight":1}');
        await expectReply(agent, "READY 1%\n");
      }
      expect(await agent.stop()).toBe(exitCode);
    },
  );

  test("is looked at before a command, and before a signal: no edit is overwritten unseen", async () => {
    await using agent = await start({ env: WATCH, socket: true });
    writeFileSync(agent.stateFile, '{"status":"MAINT","maxconn":7}');
    expect(await command(agent, "set weight 50")).toBe("ok saved: MAINT 50% maxconn:7");
    writeFileSync(agent.stateFile, '{"status":"DOWN","weight":4,"reason":"by hand"}');
    expect(JSON.parse(await command(agent, "show state"))).toMatchObject({
      state: { status: "DOWN", weight: 4, reason: "by hand" },
      by: "file",
    });
    writeFileSync(agent.stateFile, '{"status":"DRAIN","weight":5}');
    expect(await command(agent, "change DOWN by hand to UP")).toStartWith(
      "error: not changed: it is DRAIN since ",
    );
    writeFileSync(agent.stateFile, '{"status":"DRAIN","weight":6}');
    agent.signal("SIGUSR1");
    await agent.answers("UP 6%\n");
  });

  test("and changes under concurrent checks and reloads is never answered late", async () => {
    await using agent = await start({ state: { status: "UP", weight: 0 }, env: WATCH });
    let version = 0;
    const late: string[] = [];
    const check = async () => {
      const before = version;
      const reply = await ask(agent);
      const weight = Number(/^UP (\d+)%\n$/.exec(reply)?.[1]);
      if (!(weight >= before && weight <= version)) late.push(`${before}: ${reply}`);
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
    if (!agent.log.some(isSlow)) expect(late).toEqual([]);
  });
});

/** Whether a line says that the disk took longer than a check waits, as on a machine that is busy. */
function isSlow(line: string): boolean {
  return line.includes("state file does not answer");
}

/** What was logged after the start, but for that. */
function newsOf(agent: { readonly log: readonly string[] }): string[] {
  return agent.log.slice(1).filter((line) => !isSlow(line));
}

/** The next check is answered so, unless the log says that the disk took its time. */
async function expectReply(agent: AgentProcess, reply: string): Promise<void> {
  const got = await ask(agent);
  if (got === reply) return;
  await agent.logs(/state file does not answer/).catch(() => expect(got).toBe(reply));
  await agent.answers(reply);
}

/** As editors and atomic writers do. */
function replaceFile(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}
