// With HAPGENT_WATCH=on a check is answered with what is in the file at that moment, however it was
// changed; a bad file is logged once, and the last good state stays; a command and a signal look at
// the file first. What the agent has saved itself, or could not save, is no edit.
import { describe, expect, test } from "bun:test";
import { renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { swapDirectory } from "../config-map.ts";
import { ask, expectAnswer, expectReply, isSlow, logOf, start } from "./driver.ts";

const WATCH = { HAPGENT_WATCH: "on" };

/** Ways to give a file another text. */
const CHANGES: Record<string, (file: string, text: string) => void> = {
  "written in place": writeFileSync,
  "renamed over by an editor": replaceFile,
  "deleted and written anew": (file, text) => {
    rmSync(file);
    writeFileSync(file, text);
  },
  "copied over with the time that it had, as rsync does": (file, text) => {
    writeFileSync(file, text);
    utimesSync(file, 1, 1);
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
      // Of the same size each time.
      const [status, weight] = [i % 2 ? "READY" : "DRAIN", 100 + i];
      change(stateFile, JSON.stringify({ status, weight }));
      await expectReply(agent, `${status} ${weight}%\n`);
    }
    const news = await logOf(agent, 50);
    expect(news.filter((line) => line.includes("cause=file"))).toHaveLength(50);
  });

  test("keeps the last good state when it is bad or gone, and is logged once each time", async () => {
    await using agent = await start({ state: { status: "UP", weight: 5 }, env: WATCH });
    const problems = [
      "1:11: expected a value, got the end of the file (cut off?)",
      "no such file or directory (ENOENT)",
    ];
    for (const [i, why] of problems.entries()) {
      if (why.includes("value")) writeFileSync(agent.stateFile, '{"status":');
      else rmSync(dirname(agent.stateFile), { recursive: true });
      const checks = Array.from({ length: 20 }, () => ask(agent));
      expect(new Set(await Promise.all(checks))).toEqual(new Set(["UP 5%\n"]));
      // A look at a slow disk goes on without the checks.
      await logOf(agent, i + 1);
    }
    const refused = `hapgent: state file refused, the last good state stays cause=file file=${agent.stateFile}`;
    expect(await logOf(agent, 2)).toEqual(
      problems.map((why) => `${refused} error=${JSON.stringify(why)}`),
    );
  });

  test("is looked at before a command, and before a signal: no edit is overwritten unseen", async () => {
    const up = '{"status":"UP"}';
    await using agent = await start({ env: WATCH, socket: true, services: { web: up, api: up } });
    const api = `${agent.services}/api.json`;
    for (const [text, reply, line, answer] of [
      ['{"status":"MAINT"}', "maint 100%", "set weight 5", /^ok saved: maint 5%$/],
      ['{"status":"DOWN"}', "ready down 100%", "show state", /"DOWN"}.*"by":"file"/],
      ['{"status":"DRAIN"}', "up drain 100%", "change DOWN to UP", /^error: .* it is DRAIN since/],
      ['{"status":"STOPPED"}', "ready stopped 100%", "wait 0 1", /^error: after [\d.]+ s: only 0/],
      ['{"status":"DOWN","weight":1}', "ready down 1%", "@web show state", /"host":.*"weight":1}/],
      ['{"status":"FAIL"}', "ready fail 100%", "show services", /ready fail.*ready fail/],
    ] as const) {
      writeFileSync(agent.stateFile, text);
      await expectAnswer(agent, line, answer);
      await agent.logs(new RegExp(`state cause=file old=.* new="${reply}"`));
    }
    writeFileSync(agent.stateFile, up);
    writeFileSync(api, '{"status":"DRAIN"}');
    await expectAnswer(agent, "@api set weight 5", /^ok saved: up drain 5%$/);
    writeFileSync(api, '{"status":"DOWN"}');
    await expectAnswer(agent, "show services", /ready down 100%/);
    writeFileSync(agent.stateFile, '{"status":"DRAIN","weight":6}');
    agent.signal("SIGUSR1");
    await agent.answers("ready up 6%\n");
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

/** As editors and atomic writers do. */
function replaceFile(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}
