// What a deploy does to the world: it runs the command, asks the service and looks at its port. An
// interruption waits for the command, and ends anything else at once.
import { describe, expect, test } from "bun:test";
import { existsSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import type { Plan } from "../../src/commands/deploy-plan.ts";
import { Interruption, RealWorld } from "../../src/commands/deploy-world.ts";
import { findPlace, startShell } from "../../src/commands/programs.ts";
import { parseNamedPollers } from "../../src/named-pollers.ts";

/** A world with this plan, and what it has said. */
function start(plan: Partial<Plan> & { script?: string }, named?: string) {
  const said: string[] = [];
  const { script = "true", ...rest } = plan;
  const world = new RealWorld({
    plan: { command: ["sh", "-c", script], answer: 0, ...rest } as Plan,
    socket: "/nowhere",
    origin: "",
    named: named === undefined ? undefined : parseNamedPollers(named),
    env: process.env,
    print: (line) => void said.push(line),
  });
  return { world, said };
}

test.each([
  ["exit 0", undefined],
  ["exit 3", "exit code 3"],
  ["kill -9 $$", "SIGKILL"],
])("the command %j ends with %j", async (script, failure) => {
  expect(await start({ script }).world.run()).toBe(failure);
});

test("at a port only the load balancers' connections count, where they are named", async () => {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const client = await Bun.connect({
    hostname: "127.0.0.1",
    port: server.port,
    socket: { data() {} },
  });
  const look = (named: string) => start({}, named).world.usePort(server.port);
  expect((await look("127.0.0.0/8")).peers).toEqual(["127.0.0.1"]);
  expect((await look("10.0.0.1")).peers).toEqual([]);
  client.end();
  server.stop(true);
});

describe("a probe", () => {
  test.each([
    [399, undefined],
    [404, expect.stringMatching(/^HTTP 404 from http:\/\/127/)],
  ])("of a URL that answers %d says %p", async (status, silence) => {
    using service = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response("", { status }),
    });
    expect(await start({ url: `${service.url}` }).world.probe()).toEqual(silence);
  });

  test("by a command is its exit code; a URL where nobody listens comes before it", async () => {
    expect(await start({ until: "true" }).world.probe()).toBeUndefined();
    expect(await start({ until: "exit 7" }).world.probe()).toBe("exit code 7: exit 7");
    const both = start({ url: "http://127.0.0.1:1/", until: "true" });
    expect(await both.world.probe()).toMatch(/refused.*: http:\/\/127\.0\.0\.1:1\/$/i);
  });
});

test("programs run in the directory by the name that the caller's shell has for it", () => {
  using directory = temporaryDirectory();
  const link = `${directory.path}/current`;
  symlinkSync(process.cwd(), link);
  for (const [PWD, found] of [
    [link, link],
    [directory.path, process.cwd()],
    ["/nowhere", process.cwd()],
  ] as const) {
    expect(findPlace({ PWD }).directory).toBe(found);
  }
});

/** A shell command that does not end by SIGTERM. */
const endless = (first = "true") => `trap '' TERM; ${first}; exec sleep 300`;

test("a probe that will not end is killed when its time is over", async () => {
  expect(await startShell(endless(), findPlace(process.env), 100).exited).toBe(137);
});

describe("an interruption", () => {
  test("ends a probe that will not end", async () => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/runs`;
    const { world } = start({ until: endless(`touch ${file}`), answer: 600 });
    const probe = world.probe();
    await until("it runs", () => existsSync(file));
    world.interrupt();
    await expect(probe).rejects.toThrow("interrupted");
  });

  test.each([false, true])(
    "waits until the command has ended; again (%p), not",
    async (isTwice) => {
      using directory = temporaryDirectory();
      const file = `${directory.path}/runs`;
      writeFileSync(file, "");
      const { world, said } = start({ script: `while test -e ${file}; do sleep 0.01; done` });
      const run = world.run();
      world.interrupt();
      expect(said).toEqual([
        expect.stringMatching(/ interrupted: ends once .* \(again: at once\)$/),
      ]);
      if (isTwice) world.interrupt();
      else rmSync(file);
      const what = isTwice ? "still runs" : "has ended";
      await expect(run).rejects.toThrow(`interrupted; the command ${what}`);
    },
  );

  test("ends all that waits, until it goes on", async () => {
    const { world, said } = start({});
    await world.run();
    const sleeps = world.sleep(60_000);
    world.interrupt();
    await expect(sleeps).rejects.toThrow("interrupted; the command has ended");
    expect(said).toEqual([]);
    await expect(world.sleep(0)).rejects.toThrow(Interruption);
    world.resume();
    await world.sleep(0);
  });
});
