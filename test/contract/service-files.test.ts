// The set of services is read at the start and at SIGHUP, and with watch when a check names a service
// that is not known yet. A bad file makes that service alone FAIL.
import { describe, expect, test } from "bun:test";
import { renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { until } from "../../scripts/lib/until.ts";
import { ask, command, logOf, show } from "./driver.ts";
import { FILES, NONE, pathOf, serve } from "./services.ts";

describe("the set of services", () => {
  test("is read anew at a reload: one appears, one is renamed, one goes bad, one goes", async () => {
    await using agent = await serve({ socket: true });
    writeFileSync(pathOf(agent, "new"), '{"status":"MAINT"}');
    renameSync(pathOf(agent, "web"), pathOf(agent, "www"));
    writeFileSync(pathOf(agent, "api"), "UP");
    rmSync(pathOf(agent, "bad"));
    symlinkSync("nowhere", pathOf(agent, "link"));
    expect(await command(agent, "reload")).toBe(
      "error: refused: api, link; the reply is ready up 100%",
    );
    rmSync(pathOf(agent, "link"));
    const services: { name: string; reply: string }[] = await show(agent, "services");
    expect(services.map(({ name, reply }) => `${name}: ${reply}`)).toEqual([
      ...["api: ready fail 100%", "db: ready up 100%", "link: ready fail 100%"],
      ...["new: maint 100%", "www: ready up 80%"],
    ]);
    expect(await ask(agent, "web\n")).toBe(NONE);
    writeFileSync(pathOf(agent, "api"), FILES.api);
    expect(await command(agent, "reload")).toBe("ok loaded, 4 services: ready up 100%");
    const news = agent.log.filter((line) => /service=|service gone/.test(line));
    expect(news.slice(1)).toEqual([
      "hapgent: service gone cause=socket service=bad",
      "hapgent: service gone cause=socket service=web",
      expect.stringContaining("state file refused cause=socket service=api file="),
      expect.stringContaining("state file refused cause=start service=link file="),
      "hapgent: service gone cause=socket service=link",
      'hapgent: state cause=socket service=api old="ready fail 100%" new="up drain 50% maxconn:7 #why"',
    ]);
  });

  test("stays while its directory cannot be read, and that is said", async () => {
    await using agent = await serve({ socket: true });
    const directory = agent.services;
    renameSync(directory, `${directory}.away`);
    expect(await command(agent, "reload")).toMatch(
      /^error: services not read: no such file or directory \(ENOENT\); the reply is ready up 100%$/,
    );
    // Each file is read all the same, and is gone too.
    expect(await ask(agent, "web\n")).toBe("ready fail 100%\n");
    renameSync(`${directory}.away`, directory);
    agent.signal("SIGHUP");
    await until("as before", async () => (await ask(agent, "web\n")) === "ready up 80%\n");
    expect(agent.log).toContain(
      `hapgent: services not read cause=socket directory=${directory} error="no such file or directory (ENOENT)"`,
    );
  });

  test("may have files that are named like no service: they are ignored, and counted", async () => {
    const more = { "no name": FILES.web, ["x".repeat(65)]: FILES.web };
    await using agent = await serve({ services: { web: FILES.web, ...more }, socket: true });
    expect((await show(agent, "services")).map(({ name }: { name: string }) => name)).toEqual([
      "web",
    ]);
    const directory = agent.services;
    expect(agent.log[0]).toBe(
      `hapgent: files that are named like no service, ignored cause=start directory=${directory} files=2 file="no name.json"`,
    );
  });

  test("that is watched takes in a file that appears, and every edit of one", async () => {
    await using agent = await serve({ services: {}, env: { HAPGENT_WATCH: "on" } });
    expect(await ask(agent, "web\n")).toBe(NONE);
    writeFileSync(pathOf(agent, "web"), '{"status":"UP","weight":5}');
    expect(await ask(agent, "web 2\n")).toBe("ready up 5%\n");
    writeFileSync(pathOf(agent, "web"), '{"status":"UP","weight":6}');
    expect(await ask(agent, "web\n")).toBe("ready up 6%\n");
    for (const spoil of [
      () => writeFileSync(pathOf(agent, "web"), "bad"),
      () => rmSync(pathOf(agent, "web")),
    ]) {
      spoil();
      expect(await ask(agent, "web\n")).toBe("ready up 6%\n");
    }
    expect((await logOf(agent, 2)).slice(0, 2)).toEqual([
      'hapgent: service cause=file service=web reply="ready up 5%"',
      'hapgent: state cause=file service=web old="ready up 5%" new="ready up 6%"',
    ]);
  });
});
