// What a deploy does to the world: it runs the command, asks the service and looks at its port. An
// interruption waits for the command, and ends anything else at once.
import { describe, expect, spyOn, test } from "bun:test";
import { existsSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { readPortUse } from "../../src/commands/connections.ts";
import type { Plan } from "../../src/commands/deploy-plan.ts";
import { Interruption, RealWorld } from "../../src/commands/deploy-world.ts";
import { findPlace, startShell } from "../../src/commands/programs.ts";
import { parseNamedPollers } from "../../src/named-pollers.ts";
import { serve } from "./captured.ts";

/** A world with this plan, and what it has said. */
function start(plan: Partial<Plan> & { script?: string }, named?: string, path = "/nowhere") {
  const said: string[] = [];
  const { script = "true", ...rest } = plan;
  const world = new RealWorld({
    plan: { command: ["sh", "-c", script], answer: 0, ...rest } as Plan,
    socket: { path, origin: "" },
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

test("a command that there is none of is known before it runs", () => {
  expect(start({}).world.findObstacle()).toBeUndefined();
  const { world } = start({ command: ["no-such-command", "web"] });
  expect(world.findObstacle()).toStartWith('no such command: "no-such-command"');
});

// An IPv4 client of a socket for both is no IPv6 one.
test.each([
  ["127.0.0.1", ["127.0.0.1"]],
  ["::", ["127.0.0.1", "::1"]],
])(
  "clients of a port of %s are seen until they are gone; of named ones they alone",
  async (hostname, peers) => {
    using server = Bun.listen({ hostname, port: 0, socket: { data() {} } });
    const { port } = server;
    const connect = (host: string) => Bun.connect({ hostname: host, port, socket: { data() {} } });
    const clients = await Promise.all(peers.map(connect));
    const look = (named?: string) => start({}, named).world.usePort(port);
    const see = (count: number) =>
      until(`${count} clients`, async () => {
        const found = await look();
        return found.peers.length === count ? found : undefined;
      });
    const { peers: found, isListening } = await see(peers.length);
    expect({ isListening, found: found.toSorted() }).toEqual({ isListening: true, found: peers });
    expect((await look("127.0.0.0/8")).peers).toEqual(["127.0.0.1"]);
    expect(start({}, "127.0.0.0/8").world.whose).toBe(" from HAPGENT_POLLERS");
    expect(start({}).world.whose).toBe("");
    // The client's own end is none to its port; and where IPv6 is off there is no list of it.
    const own = await readPortUse(clients[0]?.localPort ?? 0, ["/proc/net/tcp", "/nowhere/tcp6"]);
    expect(own.isListening).toBe(false);
    for (const client of clients) client.end();
    await see(0);
  },
);

test("a client that sends no more is seen until it has its answer", async () => {
  const open: Bun.Socket[] = [];
  const socket = { data: (one: Bun.Socket) => void open.push(one), end() {} };
  const place = { hostname: "127.0.0.1", allowHalfOpen: true };
  using server = Bun.listen({ ...place, port: 0, socket });
  const { port } = server;
  const client = await Bun.connect({ ...place, port, socket: { data() {} } });
  client.write("request");
  client.shutdown();
  const count = async () => (await start({}).world.usePort(port)).peers.length;
  const closeWait = new RegExp(`:${port.toString(16).toUpperCase().padStart(4, "0")} \\S+ 08 `);
  await until("its end has come", async () =>
    closeWait.test(await Bun.file("/proc/net/tcp").text()),
  );
  expect(await count()).toBe(1);
  await until("it was heard", () => open.length === 1);
  open[0]?.end("answer");
  await until("it is gone", async () => (await count()) === 0);
});

test.each<[string, number, Partial<Plan>, RegExp]>([
  ["a URL that answers 399", 399, {}, /^undefined$/],
  ["a URL that answers 404", 404, {}, /^HTTP 404 from http:\/\/127/],
  ["a command that succeeds", 200, { until: "true" }, /^undefined$/],
  ["a command that fails", 200, { until: "exit 7" }, /^exit code 7: exit 7$/],
  ["lines, of which it makes one", 200, { until: "false ||\n exit 7\n" }, /: false \|\| exit 7$/],
  ["both, the URL first", 500, { until: "exit 7" }, /^HTTP 500/],
  ["a URL where nobody listens", 200, { url: "http://127.0.0.1:1/" }, /refused.*: http:.*:1\/$/i],
])("a probe by %s", async (_, status, plan, silence) => {
  const fetch = () => new Response("", { status });
  using service = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch });
  expect(`${await start({ url: `${service.url}`, ...plan }).world.probe()}`).toMatch(silence);
});

test("a connection that the agent has closed is known: what it held is free", async () => {
  using agent = serve(["ok held\n"]);
  const { world } = start({}, undefined, agent.env.HAPGENT_SOCKET);
  const { answer, closed } = await world.send("");
  expect(answer).toBe("ok held");
  await closed;
});

test("programs run in the directory by the name that the caller's shell has for it", () => {
  using directory = temporaryDirectory();
  const link = `${directory.path}/current`;
  symlinkSync(process.cwd(), link);
  expect(findPlace({ PWD: link }).directory).toBe(link);
  for (const PWD of [directory.path, "/nowhere"]) {
    expect(findPlace({ PWD }).directory).toBe(process.cwd());
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

  test("closes the connection of a command, which may hold the service, and sends no other", async () => {
    using agent = serve([], { isClosing: false });
    const { world } = start({}, undefined, agent.env.HAPGENT_SOCKET);
    const answer = world.send("wait 600");
    await until("it is heard", () => agent.seen.got.length === 1);
    world.interrupt();
    await expect(answer).rejects.toThrow("interrupted");
    await expect(world.send("change")).rejects.toThrow("interrupted");
    await until("it is closed", () => agent.seen.ended === 1);
    expect(agent.seen.opened).toBe(1);
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
      // It is no other signal so soon.
      world.interrupt();
      expect(said).toEqual([
        expect.stringMatching(/^(\d\d:){2}\d\d interrupted: ends once .* \(again: at once\)$/),
      ]);
      const later = performance.now() + 1000;
      if (isTwice) spyOn(world, "now").mockReturnValue(later);
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
