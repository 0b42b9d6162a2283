// Clients of the control socket can disturb neither the agent nor each other:
// - what they send, leave unread and wait for is bounded, and so are their number and their time;
// - `hapgent ctl` is one of them, and its exit code tells how it went.
import { describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { runAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { countSockets, readUsage } from "../../scripts/lib/proc.ts";
import { outcome } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { askFrom, Client } from "./client.ts";
import { bad, COMMANDS, good, SHOW, startControlled } from "./control.ts";

describe.concurrent("a client of the control socket", () => {
  test("may send 1 KiB in a line, with a carriage return, and no more", async () => {
    await using agent = await startControlled();
    using client = await Client.connect(agent.socket);
    client.send(`${"set status DRAIN".padEnd(1023)}\r\n`);
    expect(await client.answers(1)).toEqual(["ok saved: DRAIN"]);
    client.send("y".repeat(1025));
    expect(await client.closed()).toEndWith("error: expected a line of at most 1024 bytes\n");
  });

  test("is closed after 5 s in which it sends nothing, and not while it waits", async () => {
    await using agent = await startControlled();
    await askFrom("127.0.0.2", agent);
    await agent.ctl("set", "status", "DRAIN");
    const start = performance.now();
    using idle = await Client.connect(agent.socket);
    using waiting = await Client.connect(agent.socket);
    waiting.send("wait 6\n");
    expect(await idle.closed()).toBe("error: idle for 5 s\n");
    expect(performance.now() - start).toBeWithin(4990, 7000);
    expect(await waiting.answers(1)).toEqual([
      expect.stringMatching(/^error: after 6 s: not served to 1 of 1: 127\.0\.0\.2 \(told UP, /),
    ]);
    // Its 5 s begin with the answer.
    await Bun.sleep(1000);
    waiting.send("show state\n");
    await waiting.answers(2);
  });

  test("is refused as the 17th, unheard, and welcome when another has left", async () => {
    await using agent = await startControlled();
    using clients = new DisposableStack();
    for (let i = 0; i < 16; i += 1) clients.use(await Client.connect(agent.socket));
    const refused = Bun.spawn(["socat", "-u", `UNIX-CONNECT:${agent.socket}`, "-"]);
    expect(await refused.stdout.text()).toBe("error: more than 16 clients\n");
    expect(await agent.ctl("set", "status", "DRAIN")).toMatchObject({ exitCode: 1 });
    expect(await agent.ask()).toBe("UP\n");
    clients.dispose();
    await until("a free place", async () => (await agent.ctl("show", "state")).exitCode === 0);
  });

  test("that never reads is closed, and disturbs nobody", async () => {
    await using agent = await startControlled();
    const before = countSockets(agent.pid);
    using silent = await Client.connect(agent.socket);
    silent.pause();
    // Each answer is 30 times as long.
    silent.send("help\n".repeat(13_000));
    expect((await agent.ctl("show", "state")).exitCode).toBe(0);
    await until("the agent has closed it", () => countSockets(agent.pid) === before);
  });

  test("that sends more than 64 KiB ahead of the answers is refused", async () => {
    await using agent = await startControlled();
    await agent.ask();
    await agent.ctl("set", "status", "DRAIN");
    using client = await Client.connect(agent.socket);
    client.send("wait 86400\n");
    client.send("show state\n".repeat(6000));
    expect(await client.closed()).toBe("error: too many commands\n");
  });

  test("that leaves while it waits leaves nothing behind", async () => {
    await using agent = await startControlled();
    await askFrom("127.0.0.2", agent);
    await agent.ctl("set", "status", "DRAIN");
    const sockets = countSockets(agent.pid);
    const leave = async (count: number) => {
      for (let i = 0; i < count; i += 10) {
        const clients = Array.from({ length: 10 }, () => Client.connect(agent.socket));
        for (const client of await Promise.all(clients)) {
          client.send("wait 86400\nwait 86400\n");
          client[Symbol.dispose]();
        }
        // Those before this one have been accepted, too.
        using last = await Client.connect(agent.socket);
        last.send("show state\n");
        await last.answers(1);
        last[Symbol.dispose]();
        await until("all are gone", () => countSockets(agent.pid) === sockets);
      }
    };
    await leave(200);
    const { memory } = readUsage(agent.pid);
    await leave(2000);
    await until("memory is as before", () => readUsage(agent.pid).memory < memory + 500);
  });

  test("may be socat, which closes its half after the last command", async () => {
    await using agent = await startControlled();
    await agent.ask();
    const socat = (input: string) => {
      const command = ["socat", "-t10", "-", `UNIX-CONNECT:${agent.socket}`];
      return Bun.spawn(command, { stdin: Buffer.from(input), stdout: "pipe" }).stdout.text();
    };
    expect(await socat("set weight 5\nset status DRAIN\nreload\n")).toBe(
      "ok saved: UP 5%\nok saved: DRAIN 5%\nok loaded: DRAIN 5%\n",
    );
    const waiting = socat("wait 10 1\nset weight 6\n");
    await agent.ask();
    expect(await waiting).toMatch(
      /^ok served to 1 poller after [\d.]+ s: DRAIN 5%; 127\.0\.0\.1\nok saved: DRAIN 6%\n$/,
    );
    // Half a command may be another one.
    expect(await socat("show state\nset weight 25")).toBe(
      '{"state":{"status":"DRAIN","weight":6},"reply":"DRAIN 6%"}\n' +
        "error: expected a newline at the end\n",
    );
    expect(await agent.ask()).toBe("DRAIN 6%\n");
  });
});

describe.concurrent("hapgent ctl", () => {
  test("without HAPGENT_SOCKET says what to set", async () => {
    const message = "hapgent ctl: set HAPGENT_SOCKET to the path that the agent was started with";
    expect(await runAgent(["ctl", "show", "state"])).toEqual(bad(message));
  });

  test("without an agent at the socket says so", async () => {
    await using killed = await startControlled();
    await killed.stop("SIGKILL");
    const message = (reason: string) => `hapgent ctl: no answer from ${killed.socket}: ${reason}`;
    expect(await killed.ctl("show", "state")).toEqual(
      bad(message("connection refused (ECONNREFUSED)")),
    );
    rmSync(killed.socket);
    expect(await killed.ctl("show", "state")).toEqual(
      bad(message("no such file or directory (ENOENT)")),
    );
  });

  test("with no command, or a wrong one, gets the list of them", async () => {
    await using agent = await startControlled();
    expect(await agent.ctl()).toEqual(bad(`error: expected ${COMMANDS}, got ""`));
    expect(await agent.ctl("show", "\nset weight 5")).toEqual(
      bad(`error: expected ${SHOW}, got "show  set weight 5"`),
    );
    expect(await agent.ctl("help")).toEqual(good(`ok ${COMMANDS}`));
  });

  test("takes a command in one argument, and waits as long as it says", async () => {
    await using agent = await startControlled();
    expect(await agent.ctl("show state")).toEqual(good('{"state":{"status":"UP"},"reply":"UP"}'));
    const start = performance.now();
    const { stderr } = await agent.ctl("wait 11");
    expect(performance.now() - start).toBeGreaterThan(10_900);
    expect(stderr).toMatch(/^error: after 11(\.\d)? s: no load balancer has asked/);
  });

  test.each(["86401", "2147484", "99999999999"])(
    "has `wait %s` refused by its range",
    async (s) => {
      await using agent = await startControlled();
      expect(await agent.ctl("wait", s)).toEqual(
        bad(`error: wait: expected seconds from 0 to 86400, got "${s}"`),
      );
    },
  );

  test("never prints what a terminal obeys", async () => {
    await using agent = await startControlled();
    const { stderr } = await agent.ctl("set", "status", "DOWN", "caf\u00e9 \u001b[2J\u009b\u007f");
    expect(stderr).toBe(
      "error: reason: expected at most 100 printable ASCII characters, " +
        'got "caf\u00e9 \\u001b[2J\\u009b\\u007f"\n',
    );
    using directory = temporaryDirectory();
    const unix = `${directory.path}/evil.sock`;
    const socket = {
      data: (client: Bun.Socket) => void client.end('["\u001b]0;x\u0007\u009b\u007f\u202e\r"]\n'),
    };
    const server = Bun.listen({ unix, socket });
    const { stdout } = await runAgent(["ctl", "show", "state"], { HAPGENT_SOCKET: unix });
    server.stop(true);
    expect(stdout).toBe('["\\u001b]0;x\\u0007\\u009b\\u007f\\u202e\\u000d"]\n');
  });

  test("prints a list as a table on a terminal, and as one line of JSON otherwise", async () => {
    await using agent = await startControlled();
    await askFrom("127.0.0.2", agent);
    await agent.ctl("set", "weight", "5");
    const show = async (...options: string[]) => {
      // script(1) gives it a terminal.
      const command = [`'${EXECUTABLE}' ctl`, ...options, "show pollers"].join(" ");
      const { stdout } = await outcome(["script", "-qec", command, "/dev/null"], {
        env: { HAPGENT_SOCKET: agent.socket },
        isClean: true,
      });
      return stdout.replaceAll("\r", "").trimEnd().split("\n");
    };
    const table = await show();
    expect(table[0]).toMatch(/^address +sent +age +reply +isServed$/);
    expect(table[1]).toMatch(/^127\.0\.0\.2 +- +[\d.]+ +UP +no$/);
    expect(table).toHaveLength(2);
    const [json = "", ...rest] = await show("--json");
    expect(rest).toEqual([]);
    expect(JSON.parse(json)).toEqual({
      ok: true,
      answer: [expect.objectContaining({ address: "127.0.0.2", isServed: false })],
      problems: [],
    });
    expect((await agent.ctl("show", "pollers")).stdout).toStartWith('[{"address"');
  });
});
