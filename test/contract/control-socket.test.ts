// - The control socket is for the agent's user, or its directory's group. It goes when the agent
//   stops; one of a dead agent is taken over; nothing else that is there is touched.
// - One command a connection, one line in answer, then it is closed. What clients send, leave
//   unread and wait for is bounded, and so are their number and their time.
import { describe, expect, spyOn, test } from "bun:test";
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import * as promises from "node:fs/promises";
import { freePort } from "../../scripts/lib/port.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { formatState } from "../../src/state/state.ts";
import { Connection } from "./connection.ts";
import { ask, command, HOST, refuse, show, start, testHere } from "./driver.ts";
import { stopTimers, turn } from "./here.ts";

describe("the control socket", () => {
  test.each([
    [0o600, {}],
    [0o660, { HAPGENT_SOCKET_MODE: "0660" }],
  ])(
    "has mode 0600, or the one that is set (%o), and its directory's group, and goes with the stop",
    async (mode, env) => {
      using directory = temporaryDirectory();
      // Only root may give a file away; for others the group is the same before and after.
      if (process.getuid?.() === 0 && mode === 0o660) chownSync(directory.path, 0, 12_345);
      const path = `${directory.path}/sock`;
      const umask = process.umask();
      await using agent = await start({ env: { HAPGENT_SOCKET: path, ...env } });
      expect(agent.log[0]).toEndWith(` socket=${path}`);
      const stat = statSync(path);
      expect([stat.mode & 0o7777, stat.gid]).toEqual([mode, statSync(directory.path).gid]);
      expect(process.umask()).toBe(umask);
      expect(await agent.stop()).toBe(0);
      expect(existsSync(path)).toBe(false);
    },
  );

  test("of a dead agent is taken over, and that of a successor left alone", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/sock`;
    // As a killed agent leaves it: a socket that nobody serves.
    const leave = `Bun.listen({ unix: ${JSON.stringify(path)}, socket: { data() {} } }); process.kill(process.pid, "SIGKILL");`;
    await Bun.spawn([process.execPath, "-e", leave]).exited;
    expect(statSync(path).isSocket()).toBe(true);
    await using first = await start({ env: { HAPGENT_SOCKET: path } });
    expect((await show({ socket: path }, "state")).reply).toBe("UP");
    rmSync(path);
    await using second = await start({ state: { status: "MAINT" }, env: { HAPGENT_SOCKET: path } });
    expect(await first.stop()).toBe(0);
    expect((await show({ socket: path }, "state")).reply).toBe("MAINT");
    expect(await second.stop()).toBe(0);
    expect(existsSync(path)).toBe(false);
  });

  test("of a live agent is refused, also of one that stands still, and that agent goes on", async () => {
    await using live = await start({ socket: true });
    expect(await refuseSocket(live.socket)).toBe("another agent serves it");
    // The agent in the process of the test cannot be stopped so.
    live.signal("SIGSTOP");
    expect(await refuseSocket(live.socket)).toBe("another agent serves it");
    live.signal("SIGCONT");
    expect((await show(live, "state")).reply).toBe("UP");
  });

  test.each<[string, string, (path: string) => void]>([
    ["sock", "it is not a socket", (path) => writeFileSync(path, "mine")],
    ["sock", "it is not a socket", (path) => mkdirSync(path)],
    ["no/sock", "no such file or directory (ENOENT)", () => undefined],
    // Before it has its name it has another in its directory, of two bytes at least.
    [`${"x".repeat(105)}/s`, "its path is too long", () => undefined],
  ])("at %s is refused (%s), and what is there left alone", async (name, reason, make) => {
    using directory = temporaryDirectory();
    const path = name.length > 100 ? name : `${directory.path}/${name}`;
    make(path);
    const before = statSync(path, { throwIfNoEntry: false });
    expect(await refuseSocket(path)).toBe(reason);
    expect(statSync(path, { throwIfNoEntry: false })).toEqual(before as never);
  });

  testHere("leaves nothing beside its path when it cannot take it", async () => {
    using directory = temporaryDirectory();
    using _ = spyOn(promises, "rename").mockRejectedValue(new Error("no such luck"));
    expect(await refuseSocket(`${directory.path}/sock`)).toBe("no such luck");
    expect(readdirSync(directory.path)).toEqual([]);
  });
});

/** Starts an agent whose control socket must be refused, and returns the reason: all it says. */
async function refuseSocket(path: string): Promise<string> {
  using directory = temporaryDirectory();
  writeFileSync(`${directory.path}/state.json`, '{"status":"UP"}');
  const { log, exitCode } = await refuse({
    HAPGENT_IP: HOST,
    HAPGENT_PORT: String(freePort(HOST)),
    HAPGENT_STATE_FILE: `${directory.path}/state.json`,
    HAPGENT_SOCKET: path,
  });
  expect({ exitCode, lines: log.length }).toEqual({ exitCode: 1, lines: 1 });
  const [, reason] = /^hapgent: cannot open the control socket \S+: (.*)$/.exec(log[0] ?? "") ?? [];
  return reason ?? log.join("\n");
}

describe("a client of the control socket", () => {
  test("gets one answer, and what it sends after its first line is ignored", async () => {
    await using agent = await start({ socket: true });
    using empty = await Connection.open(agent.socket, `\n${"x".repeat(2000)}`);
    expect(await empty.rest()).toMatch(/^error: expected .*, got ""\n$/);
    for (let i = 0; i < 20; i += 1) {
      using client = await Connection.open(agent.socket, `set weight ${i}\nset status DOWN\n`);
      await ask(agent);
      // It is closed without a reset, which could destroy the answer.
      client.send("set status DRAIN\n");
      expect(await client.rest()).toBe(`ok saved: UP ${i}%\n`);
      expect(client.ended).toBe("half");
    }
  });

  test("may send its line in pieces, of 1,024 bytes, but no half of it", async () => {
    await using agent = await start({ socket: true });
    using client = await Connection.open(agent.socket);
    for (const piece of ["set ", "status DRAIN".padEnd(1019), "\r"]) {
      client.send(piece);
      await ask(agent);
    }
    client.end("\n");
    expect(await client.rest()).toBe("ok saved: DRAIN\n");
    using half = await Connection.open(agent.socket);
    // It may be another command.
    half.end("set weight 25");
    expect(await half.rest()).toBe("error: expected a newline at the end\n");
    expect(await ask(agent)).toBe("DRAIN\n");
  });

  test("is told so as the 17th, and welcome when another has left", async () => {
    await using agent = await start({ socket: true });
    using clients = new DisposableStack();
    const open = async () => clients.use(await Connection.open(agent.socket));
    const asking = await Promise.all(Array.from({ length: 16 }, open));
    for (let i = 0; i < 20; i += 1) {
      expect(await command(agent, "set status DRAIN")).toBe("error: 16 clients");
    }
    expect(await ask(agent)).toBe("UP\n");
    asking[0]?.[Symbol.dispose]();
    await until("there is room", async () => {
      return (await command(agent, "set weight 5")) === "ok saved: UP 5%";
    });
  });

  test("takes no room while it waits or holds, as one of 256, and none once it has gone", async () => {
    await using agent = await start({ socket: true });
    const isFull = async () =>
      (await command(agent, "wait 0")) === "error: 256 clients wait already";
    using clients = new DisposableStack();
    using holder = await Connection.open(agent.socket, "hold anna\n");
    expect(await holder.lines()).toEqual(["ok held"]);
    await until("256 wait", async () => {
      for (let i = 0; i < 8; i += 1) {
        clients.use(await Connection.open(agent.socket, "wait 86400\n"));
      }
      return await isFull();
    });
    expect(await command(agent, "set weight 5")).toBe("ok saved: UP 5%");
    clients.dispose();
    await agent.logs(/wait cause=socket answer="nobody waits any more"/);
    await until("there is room", async () => !(await isFull()));
    holder[Symbol.dispose]();
  });

  test("is told how a save went that is under way at the stop, and then closed", async () => {
    await using agent = await start({ socket: true });
    using idle = await Connection.open(agent.socket);
    using client = await Connection.open(agent.socket, "set status DOWN\n");
    await agent.answers("DOWN\n");
    expect(await agent.stop()).toBe(0);
    expect(await client.rest()).toBe("ok saved: DOWN\n");
    expect(await idle.rest()).toBe("");
    expect(agent.file()).toBe(formatState({ status: "DOWN" }));
  });
});

describe("a client that does nothing", () => {
  testHere("for 5 s is closed, unless it waits for its answer or holds", async () => {
    await using agent = await start({ socket: true });
    using timers = stopTimers();
    using idle = await Connection.open(agent.socket);
    using half = await Connection.open(agent.socket, "set weight 5");
    using waiting = await Connection.open(agent.socket, "wait 86400\n");
    using holding = await Connection.open(agent.socket, "hold anna\n");
    await turn();
    await timers.pass(4999);
    expect([idle.text, half.text]).toEqual(["", ""]);
    await timers.pass(1);
    expect([idle.text, half.text]).toEqual(Array(2).fill("error: idle for 5 s\n"));
    const ended = [idle, half, waiting, holding].map((client) => client.ended);
    expect(ended).toEqual(["half", "half", "no", "no"]);
    expect(waiting.text).toBe("");
  });

  testHere(
    "may take a long answer slowly, and is closed when it takes none of it for 5 s",
    async () => {
      const name = (i: number) => `service-${i}-${"x".repeat(40)}`;
      const state = JSON.stringify({ status: "DOWN", reason: "y".repeat(100) });
      const services = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [name(i), state]));
      await using agent = await start({ socket: true, services });
      const openPaused = async () => {
        const client = await Connection.open(agent.socket);
        client.socket.pause();
        client.send("show services\n");
        return client;
      };
      using slow = await openPaused();
      for (let i = 0; i < 20; i += 1) await ask(agent, "\n");
      expect(slow.text).toBe("");
      slow.socket.resume();
      expect(JSON.parse(await slow.rest())).toHaveLength(3000);
      using timers = stopTimers();
      using deaf = await openPaused();
      await turn();
      await timers.pass(5000);
      deaf.socket.resume();
      await turn();
      expect(deaf.ended).not.toBe("no");
      expect(deaf.text).not.toEndWith("\n");
    },
  );
});
