// A disk that hangs, or the server behind it, does not stop the replies. Here the disk is the test's;
// test/faults has a real one.
import { expect, spyOn, test } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { until } from "../../scripts/lib/until.ts";
import * as reads from "../../src/state/read.ts";
import * as replacing from "../../src/state/replace.ts";
import { ask, command, isSlow, logOf, show, start } from "../contract/driver.ts";
import { holdSaves, wait } from "../contract/here.ts";

type Call = (path: unknown, ...rest: unknown[]) => unknown;

/** Holds the answers that a call has for this path until they are released. */
function hang(name: "identify" | "loadState" | "replaceFile", path: string) {
  const [held, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const module = (name === "replaceFile" ? replacing : reads) as unknown as Record<string, Call>;
  const call = module[name] as Call;
  const spy = spyOn(module, name).mockImplementation(async (given, ...rest) => {
    const answer = await call(given, ...rest);
    if (given !== path) return answer;
    held.resolve();
    await released.promise;
    return answer;
  });
  const release = () => {
    spy.mockRestore();
    released.resolve();
  };
  return { held: held.promise, release, [Symbol.dispose]: () => spy.mockRestore() };
}

test("a disk that hangs at a check holds up that one, for 0.2 s, and is logged once", async () => {
  await using agent = await start({ env: { HAPGENT_WATCH: "on" }, socket: true });
  writeFileSync(agent.stateFile, '{"status":"DRAIN"}');
  using hanging = hang("identify", agent.stateFile);
  const checks = Array.from({ length: 5 }, () => ask(agent));
  expect(await Promise.all(checks)).toEqual(Array(5).fill("UP\n"));
  for (let i = 0; i < 5; i += 1) expect(await ask(agent)).toBe("UP\n");
  expect((await show(agent, "state")).reply).toBe("UP");
  expect(agent.log.slice(1)).toEqual([
    `hapgent: state file does not answer, the last state stays file=${agent.stateFile}`,
  ]);
  hanging.release();
  await agent.answers("DRAIN\n");
});

test("one that takes too long for each check is logged once, too", async () => {
  await using agent = await start({ env: { HAPGENT_WATCH: "on" }, socket: true });
  const { identify } = reads;
  {
    using _ = wait(1 / 50);
    using _looks = spyOn(reads, "identify").mockImplementation(async (path) => {
      await Bun.sleep(20);
      return await identify(path);
    });
    for (const status of ["DRAIN", "DOWN", "MAINT"]) {
      writeFileSync(agent.stateFile, `{"status":"${status}"}`);
      await agent.answers(`${status}\n`);
    }
  }
  expect(agent.log.filter(isSlow)).toHaveLength(1);
  // It comes after the look that is still under way.
  expect(await command(agent, "reload")).toBe("ok loaded: MAINT");
});

test("one that hangs at a reload changes nothing, and that is said after 5 s", async () => {
  await using agent = await start({ socket: true });
  writeFileSync(agent.stateFile, '{"status":"DRAIN"}');
  using hanging = hang("loadState", agent.stateFile);
  using _ = wait(1 / 50);
  expect(await command(agent, "reload")).toBe(
    "error: not read: the disk has not answered within 5 s; the reply is UP",
  );
  expect(await ask(agent)).toBe("UP\n");
  expect(await logOf(agent, 1)).toEqual([
    `hapgent: state file not read, the last state stays cause=socket file=${agent.stateFile} error="the disk has not answered within 5 s"`,
  ]);
  hanging.release();
  await until("it is read", async () => (await command(agent, "reload")) === "ok loaded: DRAIN");
});

test("a reload that comes during a read reads the file once more", async () => {
  await using agent = await start();
  using hanging = hang("loadState", agent.stateFile);
  agent.signal("SIGHUP");
  await hanging.held;
  writeFileSync(agent.stateFile, '{"status":"DRAIN"}');
  agent.signal("SIGHUP");
  hanging.release();
  await agent.answers("DRAIN\n");
});

test("a service that goes during a read of its file stays gone", async () => {
  const env = { HAPGENT_WATCH: "on" };
  await using agent = await start({ env, socket: true, services: { web: '{"status":"UP"}' } });
  const web = `${agent.services}/web.json`;
  using hanging = hang("loadState", web);
  using _ = wait(20);
  writeFileSync(web, '{"status":"DRAIN"}');
  const check = ask(agent, "web\n");
  await hanging.held;
  rmSync(web);
  expect(await command(agent, "reload")).toBe("ok loaded, 0 services: ready up 100%");
  hanging.release();
  for (const reply of [check, ask(agent, "web\n")])
    expect(await reply).toBe("FAIL #no such service\n");
});

test("a service that is being saved is not gone: the save brings its file back", async () => {
  await using agent = await start({ socket: true, services: { web: '{"status":"UP"}' } });
  const web = `${agent.services}/web.json`;
  using saves = holdSaves();
  {
    using _ = wait(1 / 50);
    expect(await command(agent, "@web set status DRAIN")).toStartWith("error: not saved: ");
  }
  rmSync(web);
  {
    using _ = wait(1 / 5);
    const refused = "error: refused: web; the reply is ready up 100%";
    expect(await command(agent, "reload")).toBe(refused);
  }
  saves.release();
  expect(await command(agent, "@web reload")).toBe("ok loaded: up drain 100%");
  rmSync(web);
  expect(await command(agent, "reload")).toBe("ok loaded, 0 services: ready up 100%");
});

test("a directory of services that hangs takes no second thread for their files", async () => {
  const services = { web: '{"status":"UP"}', api: '{"status":"DRAIN"}' };
  await using agent = await start({ socket: true, services });
  writeFileSync(`${agent.services}/web.json`, '{"status":"DOWN"}');
  const held = Promise.withResolvers<void>();
  using looks = spyOn(reads, "identify");
  {
    using _ = wait(1 / 5);
    using _scan = spyOn(Bun.Glob.prototype, "scan").mockImplementation(async function* () {
      await held.promise;
      yield* ["web.json", "api.json"];
    });
    const error = "services not read: the disk has not answered within 5 s";
    expect(await command(agent, "reload")).toBe(`error: ${error}; the reply is ready up 100%`);
  }
  expect(looks.mock.calls).toEqual([[agent.stateFile]]);
  expect(await ask(agent, "web\n")).toBe("ready up 100%\n");
  held.resolve();
  // What was demanded is not forgotten.
  expect(await command(agent, "@web set weight 5")).toBe("ok saved: ready down 5%");
});

test("names that no check waits for any more are not looked for: a flood holds up no reload", async () => {
  await using agent = await start({ env: { HAPGENT_WATCH: "on" }, socket: true, services: {} });
  const { identify } = reads;
  const held = Promise.withResolvers<void>();
  using looks = spyOn(reads, "identify").mockImplementation(async (path) => {
    if (path !== agent.stateFile) await held.promise;
    return await identify(path);
  });
  for (const reply of ["a", "b", "c"].map((name) => ask(agent, `${name}\n`)))
    expect(await reply).toBe("FAIL #no such service\n");
  held.resolve();
  expect(await command(agent, "reload")).toBe("ok loaded, 0 services: ready up 100%");
  const services = looks.mock.calls.filter(([path]) => path !== agent.stateFile);
  expect(services).toHaveLength(1);
});

test("a new service whose file hangs keeps no other new one from being found", async () => {
  await using agent = await start({ env: { HAPGENT_WATCH: "on" }, services: {} });
  const web = `${agent.services}/web.json`;
  writeFileSync(web, '{"status":"UP"}');
  using hanging = hang("loadState", web);
  using _ = wait(20);
  const check = ask(agent, "web\n");
  await hanging.held;
  writeFileSync(`${agent.services}/api.json`, '{"status":"DRAIN"}');
  await until("api is found", async () => (await ask(agent, "api\n")) === "up drain 100%\n");
  hanging.release();
  expect(await check).toBe("ready up 100%\n");
});

test("a state that was never read is not changed: what stands in for it would take its place", async () => {
  await using agent = await start({ socket: true, services: {} });
  const web = `${agent.services}/web.json`;
  writeFileSync(web, '{"status":"UP","maxconn":7}');
  const change = "@web set weight 20";
  using hanging = hang("loadState", web);
  {
    using _ = wait(1 / 5);
    expect(await command(agent, "reload")).toStartWith("error: refused: web;");
  }
  {
    using _ = wait(1 / 50);
    // "not changed" says to a deploy that it is another state by now, perhaps the one that it wants.
    for (const line of [change, "@web change DRAIN to FAIL"])
      expect(await command(agent, line)).toBe(
        "error: not set: its file was not read: the disk has not answered within 5 s",
      );
  }
  expect(await ask(agent, "web\n")).toBe("ready fail 100%\n");
  hanging.release();
  await until("it is read", async () => (await command(agent, change)).startsWith("ok saved"));
  expect(JSON.parse(readFileSync(web, "utf8"))).toEqual({ status: "UP", weight: 20, maxconn: 7 });
});

test("one that hangs at a save holds up who waits for it; at the stop it is said that it may be lost", async () => {
  await using agent = await start({ socket: true });
  using hanging = hang("replaceFile", agent.stateFile);
  using _ = wait(1 / 50);
  agent.signal("SIGUSR2");
  await agent.answers("DOWN\n");
  agent.signal("SIGUSR1");
  await agent.answers("UP\n");
  expect(await command(agent, "set weight 5")).toBe(
    "error: not saved: the disk has not answered within 5 s; the reply is UP 5%",
  );
  expect(await agent.stop()).toBe(1);
  expect(agent.log.at(-1)).toBe(`hapgent: stopped, changes may be lost file=${agent.stateFile}`);
  hanging.release();
  await until("nothing is written any more", () => agent.file().includes("5"));
});
