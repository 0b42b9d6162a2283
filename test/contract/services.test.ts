// One agent for the services of a host:
// - a check is answered with the state of the service that it names, FAIL when there is none of that
//   name, and with the host's when it names none in a quarter of a second;
// - the host comes first: it never makes a service more available than it is;
// - a command with @NAME is for that service;
// - the set of services is read at the start and at SIGHUP, and with watch when a check names a service
//   that is not known yet. A bad file makes that service alone FAIL.
import { describe, expect, spyOn, test } from "bun:test";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename } from "node:path";
import { until } from "../../scripts/lib/until.ts";
import { Connection } from "./connection.ts";
import {
  ask,
  command,
  HOST,
  logOf,
  type Options,
  type Started,
  show,
  start,
  testHere,
  writeServices,
} from "./driver.ts";
import { stopTimers, turn } from "./here.ts";

/** The files of the services of a host, by name. */
const FILES = {
  web: '{"status":"UP","weight":80}',
  api: '{"status":"DRAIN","weight":50,"maxconn":7,"reason":"why"}',
  db: '{"status":"READY"}',
  bad: "{",
};

/** The reply to a check that names none of them. */
const NONE = "FAIL #no such service\n";

/** Starts an agent for these services, or others. */
function serve(options: Options = {}): Promise<Started> {
  return start({ services: FILES, ...options });
}

/** The file of a service. */
function pathOf(agent: Started, name: string): string {
  return `${agent.services}/${name}.json`;
}

describe("a check of a host with services", () => {
  test("is answered by what it sends", async () => {
    const long = "x".repeat(64);
    await using agent = await serve({ services: { ...FILES, [long]: FILES.web } });
    const sent = {
      "ready up 80%\n": [
        ...["web\n", "web\r\nmore\n", "web", "web https\n", "#hapgent:web", `${long}\n`],
      ],
      "up drain 50% maxconn:7 #why\n": ["api\n"],
      "ready up 100%\n": ["db\n", "\n", "#hapgent:\n"],
      "ready fail 100%\n": ["bad\n"],
      [NONE]: [
        ...["WEB\n", " web\n", "web2\n", "we\n", "web.json\n", "#hapgent:www\n"],
        ...["../web\n", "/web\n", "__proto__\n", "\0\0\0\n", `${"x".repeat(65)}\n`],
        ...["x".repeat(100_000), "GET /web HTTP/1.1\r\nHost: web\r\n\r\n"],
      ],
    };
    for (const [reply, texts] of Object.entries(sent)) {
      for (const text of texts) expect([text, await ask(agent, text)]).toEqual([text, reply]);
    }
  });

  // A timer that never fires cannot have answered.
  testHere("is answered at once when its name is there, or its client has ended", async () => {
    await using agent = await serve();
    const place = { host: HOST, port: agent.port };
    const web = "ready up 80%\n";
    using timers = stopTimers();
    for (const [sent, reply] of [
      ["web", web],
      ["www\n", NONE],
      ["x".repeat(73), NONE],
    ] as const) {
      using client = await Connection.open(place, sent);
      await turn();
      expect(client.text).toBe(reply);
    }
    using ended = await Connection.open(place);
    ended.end("ww");
    using half = await Connection.open(place, "w");
    // What is no whole name is waited for, a quarter of a second.
    using slow = await Connection.open(place, "ww");
    using late = await Connection.open(place);
    await turn();
    half.send("eb");
    await turn();
    expect([ended.text, half.text]).toEqual([NONE, web]);
    await timers.pass(249);
    expect(slow.text).toBe("");
    // A moment more, to read what has come already: a timer comes before it.
    late.send("web");
    for (let i = 0; i < 2; i += 1) await timers.pass(1);
    expect([slow.text, late.text]).toEqual([NONE, web]);
  });
});

describe("the host", () => {
  test("comes first: USR2 takes all services out, USR1 brings each back to its own", async () => {
    await using agent = await serve();
    agent.signal("SIGUSR2");
    await agent.answers("ready down 100%\n");
    expect(await ask(agent, "web\n")).toBe("ready down 80%\n");
    expect(await ask(agent, "api\n")).toBe("drain down 50% maxconn:7\n");
    agent.signal("SIGUSR1");
    await agent.answers("ready up 100%\n");
    expect(await ask(agent, "api\n")).toBe("up drain 50% maxconn:7 #why\n");
    await until("saved", () => agent.file().includes("UP"));
    rmSync(agent.stateFile);
    agent.signal("SIGHUP");
    await agent.answers("ready fail 100%\n");
    expect(await ask(agent, "db\n")).toBe("ready fail 100%\n");
    expect(readFileSync(pathOf(agent, "api"), "utf8")).toBe(FILES.api);
    expect(readdirSync(agent.services)).toHaveLength(4);
  });
});

describe("a control command with @NAME", () => {
  test("is for that service, and saves its file only", async () => {
    await using agent = await serve({ socket: true });
    expect(await command(agent, "@web set status DRAIN")).toBe("ok saved: up drain 80%");
    expect(await command(agent, "@web set weight 5")).toBe("ok saved: up drain 5%");
    expect(await agent.logs(/weight|drain 5%/)).toBe(
      'hapgent: state cause=socket service=web old="up drain 80%" new="up drain 5%"',
    );
    expect(readFileSync(pathOf(agent, "web"), "utf8")).toContain('"weight": 5');
    expect(readFileSync(pathOf(agent, "api"), "utf8")).toBe(FILES.api);
    await command(agent, "set status DOWN by hand");
    const web = { state: { status: "DRAIN", weight: 5 }, reply: "drain down 5% #by hand" };
    const host = { status: "DOWN", reason: "by hand" };
    expect(JSON.parse(await command(agent, "@web show state"))).toMatchObject({ ...web, host });
    expect((await show(agent, "services"))[3]).toMatchObject({ name: "web", ...web });
    expect(await command(agent, "@www show state")).toBe('error: no such service: "www"');
    writeFileSync(pathOf(agent, "web"), "{}");
    expect(await command(agent, "@web reload")).toMatch(
      /^error: refused: status: .* the reply is ready fail 100%$/,
    );
  });
});

describe("the set of services", () => {
  test("is read anew at a reload: one appears, one is renamed, one goes bad, one goes", async () => {
    await using agent = await serve({ socket: true });
    writeServices(agent.services, { new: '{"status":"MAINT"}', api: "UP" });
    renameSync(pathOf(agent, "web"), pathOf(agent, "www"));
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
    for (const name of ["api", "new", "www"]) rmSync(pathOf(agent, name));
    expect(await command(agent, "reload")).toBe("ok loaded, 1 service: ready up 100%");
    writeServices(agent.services, FILES);
    rmSync(pathOf(agent, "bad"));
    expect(await command(agent, "reload")).toBe("ok loaded, 3 services: ready up 100%");
    expect(agent.log.filter((line) => line.includes("service=link"))).toEqual([
      expect.stringContaining("state file refused cause=start service=link file="),
      "hapgent: service gone cause=socket service=link",
    ]);
  });

  testHere("keeps one whose file is replaced while its directory is read", async () => {
    await using agent = await serve({ socket: true, services: { web: FILES.web, api: FILES.api } });
    // Neither the old file nor the new one is met: so it is on tmpfs, among some hundred.
    using _ = spyOn(Bun.Glob.prototype, "scan").mockImplementation(async function* () {
      yield "api.json";
    });
    expect(await command(agent, "reload")).toBe("ok loaded, 2 services: ready up 100%");
    expect(await ask(agent, "web\n")).toBe("ready up 80%\n");
    rmSync(pathOf(agent, "web"));
    expect(await command(agent, "reload")).toBe("ok loaded, 1 service: ready up 100%");
  });

  test("stays while its directory cannot be read, and that is said", async () => {
    await using agent = await serve({ socket: true });
    const directory = agent.services;
    renameSync(directory, `${directory}.away`);
    expect(await command(agent, "reload")).toBe(
      "error: services not read: no such file or directory (ENOENT); the reply is ready up 100%",
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

  test("has no file that is named like no service, and says so", async () => {
    const none = { "no name": FILES.web, ["x".repeat(65)]: FILES.web };
    await using agent = await serve({ services: none, socket: true });
    expect(await show(agent, "services")).toEqual([]);
    expect(agent.log[0]).toBe(
      `hapgent: files that are named like no service, ignored cause=start directory=${agent.services} files=2 file="no name.json"`,
    );
  });

  testHere("has 4,096 at most, and says what is left out", async () => {
    const names = Array.from({ length: 4097 }, (_, i) => `s${i}`);
    const services = Object.fromEntries(names.map((name) => [name, FILES.web]));
    await using agent = await serve({ services, socket: true });
    await agent.logs(/^hapgent: too many services cause=start .* services=4097 limit=4096$/);
    expect(await show(agent, "services")).toHaveLength(4096);
  });

  test("that is watched takes in a file that appears, and none outside of its directory", async () => {
    await using agent = await serve({ services: {}, env: { HAPGENT_WATCH: "on" }, socket: true });
    const names = ["web", ".hidden", "inner/secret", `../${basename(agent.services)}/web`];
    for (const name of names) expect(await ask(agent, `${name}\n`)).toBe(NONE);
    mkdirSync(`${agent.services}/inner`);
    for (const name of names) writeFileSync(pathOf(agent, name), '{"status":"UP","weight":5}');
    for (const name of names.slice(1)) expect(await ask(agent, `${name}\n`)).toBe(NONE);
    // A check does not wait for a disk that takes its time; the next one sees what that has found.
    const answers = (text: string, reply: string) =>
      until(reply, async () => (await ask(agent, text)) === reply);
    await answers("web 2\n", "ready up 5%\n");
    writeFileSync(pathOf(agent, "web"), '{"status":"UP","weight":6}');
    await answers("web\n", "ready up 6%\n");
    // Who waits for all of them looks at all.
    writeFileSync(pathOf(agent, "web"), '{"status":"UP","weight":7}');
    await command(agent, "wait 0");
    await agent.logs(/new="ready up 7%"/);
    rmSync(pathOf(agent, "web"));
    expect(await ask(agent, "web\n")).toBe("ready up 7%\n");
    const news = await logOf(agent, 3);
    expect(news.filter((line) => line.includes("service=web")).slice(0, 3)).toEqual([
      'hapgent: service cause=file service=web reply="ready up 5%"',
      'hapgent: state cause=file service=web old="ready up 5%" new="ready up 6%"',
      'hapgent: state cause=file service=web old="ready up 6%" new="ready up 7%"',
    ]);
  });
});
