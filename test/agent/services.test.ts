// One agent for the services of a host:
// - a check is answered with the state of the service that it names, FAIL when there is none of that
//   name, and with the host's when it names none;
// - the host comes first: unless it is UP or READY its status and reason answer for all services,
//   each with its own weight and maxconn;
// - a bad file makes that service alone FAIL.
import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { createExecute } from "../../src/agent/control-commands.ts";
import { Events } from "../../src/agent/events.ts";
import { Pollers } from "../../src/agent/pollers.ts";
import { SERVICE_LIMIT, Services } from "../../src/agent/services.ts";
import { Watcher } from "../../src/agent/watcher.ts";
import { formatReply } from "../../src/state/reply.ts";
import { FAILED, formatState, type State, withStatus } from "../../src/state/state.ts";
import { anyState } from "../arbitraries.ts";
import { recordLog } from "../recorded-log.ts";

/** A host with these services: texts of their files by name. */
async function startServices(
  directory: { path: string },
  files: Record<string, string>,
  { host = '{"status":"UP"}', watch = false } = {},
) {
  const services = `${directory.path}/services`;
  mkdirSync(services, { recursive: true });
  const path = (name: string) => `${services}/${name}.json`;
  for (const [name, text] of Object.entries(files)) writeFileSync(path(name), text);
  writeFileSync(`${directory.path}/host.json`, host);
  let pollers: Pollers | undefined;
  const all = new Services({
    file: `${directory.path}/host.json`,
    directory: services,
    mode: "full",
    watch,
    changing: () => pollers?.forgetSilent(),
  });
  await all.start();
  const events = new Events();
  const watcher = new Watcher(all, events);
  pollers = new Pollers(all);
  const execute = createExecute({ services: all, events, pollers, watch });
  return {
    all,
    pollers,
    path,
    services,
    answer: (sent: string) => all.answer(sent).text,
    /** The answer as an agent that watches its files gives it. */
    async watched(sent: string) {
      await watcher.refresh(sent);
      return all.answer(sent).text;
    },
    command: (line: string) => execute(line, () => true),
  };
}

describe("a check", () => {
  test("is answered by the name that it sends", async () => {
    using directory = temporaryDirectory();
    const { answer } = await startServices(directory, {
      web: '{"status":"UP","weight":80}',
      "api-1.v2_x": '{"status":"DRAIN","reason":"why"}',
      bad: "{",
    });
    expect(answer("web")).toBe("ready up 80%");
    expect(answer("api-1.v2_x")).toBe("up drain 100% #why");
    expect(answer("bad")).toBe("ready fail 100%");
    expect(answer("")).toBe("ready up 100%");
  });

  test.each([
    "we",
    "web2",
    "WEB",
    " web",
    "web.json",
    "../host",
    "services/web",
    ".",
    "GET / HTTP/1.1",
    "\x16\x03\x01",
    "x".repeat(65),
    "__proto__",
    "constructor",
  ])("of %j, which is no service, is answered FAIL", async (sent) => {
    using directory = temporaryDirectory();
    const { answer, watched, all } = await startServices(
      directory,
      { web: '{"status":"UP"}' },
      { watch: true },
    );
    expect(answer(sent)).toBe("FAIL #no such service");
    expect(await watched(sent)).toBe("FAIL #no such service");
    expect(all.named).toHaveLength(1);
  });

  test("may name a service by 1 to 64 letters", async () => {
    using directory = temporaryDirectory();
    const [short, long, longer] = ["a", "x".repeat(64), "x".repeat(65)];
    const text = '{"status":"MAINT"}';
    const { answer, all } = await startServices(directory, {
      [short]: text,
      [long]: text,
      [longer]: text,
    });
    expect([answer(short), answer(long)]).toEqual(["maint 100%", "maint 100%"]);
    expect(answer(`${short} 2`)).toBe("maint 100%");
    expect(all.named).toHaveLength(2);
  });

  test("names a service up to the first space; the rest tells lines apart", async () => {
    using directory = temporaryDirectory();
    const files = { web: '{"status":"MAINT"}' };
    const { answer, watched, all } = await startServices(directory, files, { watch: true });
    for (const sent of ["web https", "web  2", "#hapgent:web https", "web "]) {
      expect(answer(sent)).toBe("maint 100%");
      expect(await watched(sent)).toBe("maint 100%");
      expect(all.isComplete(sent)).toBe(true);
    }
    writeFileSync(`${directory.path}/services/api.json`, '{"status":"DOWN"}');
    expect(await watched("api 2")).toBe("ready down 100%");
  });

  test("of the project's own probes is answered alike", async () => {
    using directory = temporaryDirectory();
    const { answer, all } = await startServices(directory, { web: '{"status":"MAINT"}' });
    expect(answer("#hapgent:web")).toBe("maint 100%");
    expect(answer("#hapgent:")).toBe("ready up 100%");
    expect(answer("#hapgent:api")).toBe("FAIL #no such service");
    expect(["web", "#hapgent:web", "we", "#hapgent:"].map((sent) => all.isComplete(sent))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});

describe("the set of services", () => {
  test("is read anew at a reload: one appears, one is renamed, one goes bad", async () => {
    using directory = temporaryDirectory();
    const { all, answer, path } = await startServices(directory, {
      web: '{"status":"UP"}',
      api: '{"status":"UP"}',
    });
    writeFileSync(path("new"), '{"status":"MAINT"}');
    renameSync(path("web"), path("www"));
    writeFileSync(path("api"), "UP");
    expect(await all.reload("SIGHUP")).toEqual({ isGood: false, text: "refused: api" });
    expect(all.named.map(({ name }) => name).toSorted()).toEqual(["api", "new", "www"]);
    expect(answer("web")).toBe("FAIL #no such service");
    expect(answer("www")).toBe("ready up 100%");
    expect(answer("api")).toBe("ready fail 100%");
    expect(answer("new")).toBe("maint 100%");
  });

  test("has no FIFO, directory, device or dangling link that hangs or answers", async () => {
    using directory = temporaryDirectory();
    const { all, answer, services } = await startServices(directory, {
      web: '{"status":"UP"}',
    });
    mkdirSync(`${services}/folder.json`);
    symlinkSync("nowhere", `${services}/dangling.json`);
    symlinkSync("/dev/zero", `${services}/device.json`);
    Bun.spawnSync(["mkfifo", `${services}/fifo.json`]);
    await all.reload("SIGHUP");
    for (const name of ["folder", "dangling", "device", "fifo"]) {
      expect(answer(name)).toMatch(/^(ready fail 100%|FAIL #no such service)$/);
    }
    expect(answer("web")).toBe("ready up 100%");
  });

  test("is empty while its directory is not there, and says so", async () => {
    using directory = temporaryDirectory();
    const { all, answer, services } = await startServices(directory, {
      web: '{"status":"UP"}',
    });
    rmSync(services, { recursive: true });
    expect(await all.reload("SIGHUP")).toEqual({
      isGood: false,
      text: "services not read: no such file or directory (ENOENT)",
    });
    expect(answer("web")).toBe("FAIL #no such service");
    expect(answer("")).toBe("ready up 100%");
    mkdirSync(services);
    writeFileSync(`${services}/web.json`, '{"status":"DOWN"}');
    expect((await all.reload("SIGHUP")).isGood).toBe(true);
    expect(answer("web")).toBe("ready down 100%");
  });

  test("has a limit, beyond which files are left out and counted", async () => {
    using directory = temporaryDirectory();
    const files = Array.from(
      { length: SERVICE_LIMIT + 3 },
      (_, i) => `s${String(i).padStart(5, "0")}`,
    );
    const { all, answer } = await startServices(
      directory,
      Object.fromEntries(files.map((name) => [name, '{"status":"UP"}'])),
    );
    expect(all.named).toHaveLength(SERVICE_LIMIT);
    expect(answer("s00000")).toBe("ready up 100%");
    expect(answer(files.at(-1) ?? "")).toBe("FAIL #no such service");
    using log = recordLog();
    expect((await all.reload("SIGHUP")).text).toBe("more than 4096 services: 3 are left out");
    expect(log.lines).toContain(
      `hapgent: too many services cause=SIGHUP directory=${all.fileFields["directory"]} services=4099 limit=4096`,
    );
  }, 60_000);

  test("that is watched takes in a file that appears, and the swap of a linked directory", async () => {
    using directory = temporaryDirectory();
    const { watched, path, services } = await startServices(directory, {}, { watch: true });
    expect(await watched("web")).toBe("FAIL #no such service");
    writeFileSync(path("web"), '{"status":"UP","weight":5}');
    expect(await watched("web")).toBe("ready up 5%");
    for (const version of ["..1", "..2"]) {
      mkdirSync(`${services}/${version}`);
      writeFileSync(
        `${services}/${version}/api.json`,
        `{"status":"UP","weight":${version.slice(2)}}`,
      );
    }
    symlinkSync("..1", `${services}/..data`);
    symlinkSync("..data/api.json", path("api"));
    expect(await watched("api")).toBe("ready up 1%");
    symlinkSync("..2", `${services}/..new`);
    renameSync(`${services}/..new`, `${services}/..data`);
    expect(await watched("api")).toBe("ready up 2%");
    writeFileSync(path("web"), "bad");
    expect(await watched("web")).toBe("ready up 5%");
    rmSync(path("web"));
    expect(await watched("web")).toBe("ready up 5%");
  });
});

describe("a directory of services", () => {
  test("may have files that are named like no service: they are ignored, and counted", async () => {
    using directory = temporaryDirectory();
    const text = '{"status":"UP"}';
    using log = recordLog();
    const files = { web: text, "no name": text, [`${"x".repeat(65)}`]: text };
    const { all, services } = await startServices(directory, files);
    expect(all.named).toEqual([expect.objectContaining({ name: "web" })]);
    expect(log.lines).toEqual([
      expect.stringContaining(
        `hapgent: files that are named like no service, ignored cause=start directory=${services} files=2 file=`,
      ),
    ]);
  });

  test("is read no further when the agent stops", async () => {
    using directory = temporaryDirectory();
    const { all, path } = await startServices(directory, { web: '{"status":"UP"}' });
    writeFileSync(path("api"), '{"status":"UP"}');
    const reload = all.reload("SIGHUP");
    all.stopReading();
    await reload;
    expect(all.named).toHaveLength(1);
  });
});

describe("a service whose file is gone", () => {
  test("is none any more", async () => {
    using directory = temporaryDirectory();
    const files = { web: '{"status":"UP"}', api: '{"status":"UP"}' };
    const { all, path, answer } = await startServices(directory, files);
    rmSync(path("web"));
    using log = recordLog();
    expect((await all.reload("SIGHUP")).text).toBe("loaded, 1 services");
    expect(all.named).toEqual([expect.objectContaining({ name: "api" })]);
    expect(answer("web")).toBe("FAIL #no such service");
    expect(log.lines.at(-1)).toBe("hapgent: service gone cause=SIGHUP service=web");
  });
});

describe("services", () => {
  test("are read after the host, which is told", async () => {
    using directory = temporaryDirectory();
    const { all, services, answer } = await startServices(directory, {});
    writeFileSync(`${services}/web.json`, '{"status":"MAINT"}');
    let before = "";
    await all.start(() => {
      before = answer("web");
    });
    expect([before, answer("web")]).toEqual(["FAIL #no such service", "maint 100%"]);
  });

  test("tell of a change of any reply before it is made", async () => {
    using directory = temporaryDirectory();
    const { services } = await startServices(directory, { web: '{"status":"UP"}' });
    const replies: (string | undefined)[] = [];
    const all = new Services({
      ...{ file: `${directory.path}/host.json`, directory: services, mode: "exact", watch: false },
      changing: () => replies.push(all.get("web")?.reply.text),
    });
    await all.start();
    await all.get("web")?.set(withStatus("DRAIN"), "socket");
    all.answerWhileStopping("DOWN");
    expect(replies).toEqual([undefined, undefined, "FAIL", "UP", "DRAIN"]);
    expect(all.get("web")?.reply.text).toBe("DOWN");
  });

  test("that are bad are named, eight of them", async () => {
    using directory = temporaryDirectory();
    const names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    const { all, path } = await startServices(
      directory,
      Object.fromEntries(names.map((name) => [name, "bad"])),
    );
    expect(await all.reload("SIGHUP")).toEqual({
      isGood: false,
      text: `refused: ${names.join(", ")}`,
    });
    writeFileSync(path("i"), "bad");
    expect((await all.reload("SIGHUP")).text).toBe(`refused: ${names.join(", ")} ...`);
  });

  test("that cannot be read, are too many or appear are logged", async () => {
    using directory = temporaryDirectory();
    const { all, services, watched, path } = await startServices(directory, {}, { watch: true });
    using log = recordLog();
    writeFileSync(path("web"), '{"status":"MAINT"}');
    await watched("web");
    rmSync(services, { recursive: true });
    await all.reload("SIGHUP");
    expect(log.lines).toEqual([
      'hapgent: service cause=watch service=web reply="maint 100%"',
      'hapgent: state cause=SIGHUP old="ready up 100%" new="ready up 100%"',
      `hapgent: services not read cause=SIGHUP directory=${services} error="no such file or directory (ENOENT)"`,
      "hapgent: service gone cause=SIGHUP service=web",
    ]);
  });
});

describe("a control command", () => {
  test("with @NAME is for that service, and saves its file only", async () => {
    using directory = temporaryDirectory();
    const { command, answer, path } = await startServices(directory, {
      web: '{"status":"UP"}',
      api: '{"status":"UP"}',
    });
    expect(await command("@web set status DRAIN")).toBe("ok saved: up drain 100%");
    expect(await command("@web set weight 5")).toBe("ok saved: up drain 5%");
    expect(JSON.parse(readFileSync(path("web"), "utf8"))).toEqual({ status: "DRAIN", weight: 5 });
    expect(readFileSync(path("api"), "utf8")).toBe('{"status":"UP"}');
    expect(answer("api")).toBe("ready up 100%");
    expect(JSON.parse(await command("@web show state"))).toEqual({
      state: { status: "DRAIN", weight: 5 },
      reply: "up drain 5%",
    });
    expect(await command("@www show state")).toBe('error: no such service: "www"');
    expect(JSON.parse(await command("show services"))).toEqual([
      { name: "api", state: { status: "UP" }, reply: "ready up 100%" },
      { name: "web", state: { status: "DRAIN", weight: 5 }, reply: "up drain 5%" },
    ]);
    writeFileSync(path("web"), "{}");
    expect(await command("@web reload")).toMatch(/^error: refused: status: /);
    expect(answer("web")).toBe("ready fail 100%");
  });
});

describe("wait", () => {
  /** An agent with the service web, and its poller, which was told that it is UP. */
  async function startPolled(directory: { path: string }) {
    const started = await startServices(directory, { web: '{"status":"UP"}' });
    const asker = { address: "192.0.2.1", sent: "web" };
    const ask = () => started.pollers.record(asker, started.answer("web"));
    ask();
    return { ...started, ask };
  }

  test("requires the pollers of a service that is gone to be told so", async () => {
    using directory = temporaryDirectory();
    const { all, path, command, ask } = await startPolled(directory);
    rmSync(path("web"));
    await all.reload("SIGHUP");
    expect(await command("wait 0 1")).toMatch(
      /^error: after 0 s: not served to 1 of 1: 192\.0\.2\.1 "web" \(told ready up 100%, /,
    );
    expect(await command("@web wait 0")).toBe('error: no such service: "web"');
    ask();
    expect(await command("wait 0 1")).toMatch(/^error: after 0 s: less than one check interval/);
    expect(await command("wait 5 1")).toMatch(/^ok served to 1 poller after [12](\.\d)? s: /);
  });

  test("begins anew for a service that was gone in between", async () => {
    using directory = temporaryDirectory();
    const { all, path, command } = await startPolled(directory);
    const waiting = command("@web wait 1 1");
    rmSync(path("web"));
    await all.reload("SIGHUP");
    writeFileSync(path("web"), '{"status":"DOWN"}');
    await all.reload("SIGHUP");
    expect(await waiting).toMatch(/^error: after 1 s: not served to 1 of 1: 192\.0\.2\.1 "web" /);
  });

  test("for a service that is gone is an error", async () => {
    using directory = temporaryDirectory();
    const { all, path, command } = await startPolled(directory);
    const waiting = command("@web wait 1");
    rmSync(path("web"));
    await all.reload("SIGHUP");
    expect(await waiting).toStartWith("error: after 1 s: it is no service any more");
  });
});

describe("a control command for a service, with watched files,", () => {
  test("sees an edit of the host's file first", async () => {
    using directory = temporaryDirectory();
    const files = { web: '{"status":"UP"}' };
    const { command, pollers, answer } = await startServices(directory, files, { watch: true });
    pollers.record({ address: "192.0.2.1", sent: "web" }, answer("web"));
    writeFileSync(`${directory.path}/host.json`, '{"status":"MAINT"}');
    expect(await command("@web wait 0 1")).toMatch(
      /^error: after 0 s: not served to 1 of 1: 192\.0\.2\.1 "web" \(told ready up 100%, /,
    );
    writeFileSync(`${directory.path}/host.json`, '{"status":"DOWN","reason":"by hand"}');
    expect(await command("@web set weight 50")).toBe("ok saved: ready down 50% #by hand");
  });
});

describe("the host", () => {
  /** What the rule says, in one line each. */
  function model(host: State, own: State): string {
    const isOpen = host.status === "UP" || host.status === "READY";
    const told = isOpen ? own : withStatus(host.status, host.reason)(own);
    return formatReply(told, "full").slice(0, -1);
  }

  test("comes first, whatever both say", async () => {
    using directory = temporaryDirectory();
    await fc.assert(
      fc.asyncProperty(anyState, anyState, async (host, own) => {
        const { answer } = await startServices(
          directory,
          { web: formatState(own) },
          { host: formatState(host) },
        );
        expect(answer("web")).toBe(model(host, own));
        expect(answer("")).toBe(formatReply(host, "full").slice(0, -1));
      }),
    );
  }, 60_000);

  test("comes first after any sequence of edits, reloads and commands", async () => {
    const names = ["web", "api"] as const;
    const target = fc.constantFrom("host", ...names);
    const step = fc.oneof(
      fc.record({
        kind: fc.constant("edit" as const),
        target,
        state: fc.option(anyState, { nil: undefined }),
      }),
      fc.record({ kind: fc.constant("reload" as const) }),
      fc.record({ kind: fc.constant("status" as const), target, state: anyState }),
      fc.record({ kind: fc.constant("weight" as const), target, weight: fc.nat({ max: 255 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
        using directory = temporaryDirectory();
        const { answer, command, path } = await startServices(directory, {
          web: '{"status":"UP"}',
          api: '{"status":"UP"}',
        });
        const file = (name: string) =>
          name === "host" ? `${directory.path}/host.json` : path(name);
        const inMemory: Partial<Record<string, State>> = {
          host: { status: "UP" },
          web: { status: "UP" },
          api: { status: "UP" },
        };
        const onDisk: Partial<Record<string, State>> = { ...inMemory };
        /** Whose file holds no state, and who has found none at the last look: it looks again. */
        const bad = new Set<string>();
        let makeshift = new Set<string>();
        for (const each of steps) {
          if (each.kind === "edit") {
            writeFileSync(file(each.target), each.state ? formatState(each.state) : "bad");
            onDisk[each.target] = each.state ?? FAILED;
            if (each.state) bad.delete(each.target);
            else bad.add(each.target);
          } else if (each.kind === "reload") {
            await command("reload");
            Object.assign(inMemory, onDisk);
            makeshift = new Set(bad);
          } else {
            const { target: name } = each;
            const before = (makeshift.has(name) ? onDisk : inMemory)[name] ?? FAILED;
            makeshift.delete(name);
            bad.delete(name);
            const after =
              each.kind === "weight"
                ? { ...before, weight: each.weight }
                : withStatus(each.state.status)(before);
            const at = name === "host" ? "" : `@${name} `;
            await command(
              each.kind === "weight"
                ? `${at}set weight ${each.weight}`
                : `${at}set status ${each.state.status}`,
            );
            inMemory[name] = after;
            onDisk[name] = after;
          }
          const host = inMemory["host"] ?? FAILED;
          expect(answer("")).toBe(formatReply(host, "full").slice(0, -1));
          for (const name of names)
            expect(answer(name)).toBe(model(host, inMemory[name] ?? FAILED));
        }
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  test("in its stop status answers for every service too", async () => {
    using directory = temporaryDirectory();
    const { all, answer } = await startServices(directory, {
      web: '{"status":"MAINT","weight":7}',
    });
    all.answerWhileStopping("DOWN");
    expect(answer("web")).toBe("ready down 7%");
    expect(answer("")).toBe("ready down 100%");
  });
});
