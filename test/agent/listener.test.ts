// What the listener promises:
// - each check is answered in one write, with what its sender asked for, and the connection is closed
//   without a reset;
// - a check counts as served only when all of the answer was written to a client that was there and
//   that closed it;
// - whoever never closes, never names a service or is one too many is closed in time.
import { describe, expect, jest, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { ask } from "../../scripts/lib/check.ts";
import { freePort } from "../../scripts/lib/port.ts";
import { until } from "../../scripts/lib/until.ts";
import type { Answer, ClosedCheck } from "../../src/agent/check.ts";
import { Descriptors } from "../../src/agent/descriptors.ts";
import { ListenError, type ListenOptions, listen } from "../../src/agent/listener.ts";

type Options = Partial<ListenOptions<Answer>>;

/** A listener on a free port that answers UP, and the checks that it tells of. */
function startListener(options: Options = {}) {
  const port = freePort();
  const checks: ClosedCheck<Answer>[] = [];
  const listener = listen(
    { ip: "127.0.0.1", port },
    {
      descriptors: new Descriptors(),
      answer: () => ({ bytes: Buffer.from("UP\n") }),
      closed: (check) => checks.push(check),
      ...options,
    },
  );
  return {
    port,
    checks,
    listener,
    /** Waits until so many checks are closed, and returns what is known of them. */
    async closed(count: number) {
      await until(`${count} checks`, () => checks.length >= count);
      return checks.map(({ address, sent, isServed }) => ({ address, sent, isServed }));
    },
    [Symbol.asyncDispose]: () => listener.stop(100),
  };
}

/** Connects and waits for the first bytes. */
async function read(port: number, sent = ""): Promise<{ socket: Socket; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  socket.once("data", (chunk) => resolve(chunk.toString())).once("error", reject);
  socket.write(sent);
  return { socket, text: await promise };
}

test("an address that is not here is refused with its name and the reason", () => {
  const address = { ip: "192.0.2.1", port: 9777 };
  const descriptors = new Descriptors();
  const answer = () => ({ bytes: Buffer.from("UP\n") });
  expect(() => listen(address, { descriptors, answer })).toThrow(
    new ListenError("cannot listen on 192.0.2.1:9777: address not available (EADDRNOTAVAIL)"),
  );
});

test("a port that is in use is refused in words", async () => {
  await using first = startListener();
  expect(() =>
    listen(
      { ip: "127.0.0.1", port: first.port },
      { descriptors: new Descriptors(), answer: () => ({ bytes: Buffer.from("") }) },
    ),
  ).toThrow(
    new ListenError(`cannot listen on 127.0.0.1:${first.port}: the port is in use (EADDRINUSE)`),
  );
});

describe("a check that is told of", () => {
  test.each([
    ["", ""],
    ["web\n", "web"],
    ["web\r\nand more", "web"],
    ["web", "web"],
    ["x".repeat(200), "x".repeat(73)],
  ])("sent %j, of which %j counts", async (payload, sent) => {
    await using started = startListener();
    expect(await ask(started.port, { payload })).toBe("UP\n");
    expect(await started.closed(1)).toEqual([{ address: "127.0.0.1", sent, isServed: true }]);
  });

  test("was served when its client closes, or resets at once as HAProxy does", async () => {
    await using started = startListener();
    const clean = await read(started.port);
    clean.socket.destroy();
    expect((await started.closed(1)).at(-1)).toMatchObject({ isServed: true });
    const reset = await read(started.port);
    reset.socket.resetAndDestroy();
    expect((await started.closed(2)).at(-1)).toMatchObject({ isServed: true });
  });

  test("was perhaps not served when its client resets late", async () => {
    await using started = startListener();
    const { socket } = await read(started.port);
    await Bun.sleep(350);
    socket.resetAndDestroy();
    expect(await started.closed(1)).toMatchObject([{ isServed: false }]);
  });

  test("was not served when its client never closes, and is closed after at most 5 s", async () => {
    await using started = startListener();
    const start = performance.now();
    const { socket } = await read(started.port);
    socket.on("error", () => undefined);
    await until("it is closed", () => started.checks.length > 0);
    expect(performance.now() - start).toBeWithin(900, 6500);
    expect(started.checks).toMatchObject([{ isServed: false }]);
    socket.destroy();
  }, 15_000);
});

describe("a check that has to name a service", () => {
  const named: Options = {
    answer: (sent) => ({ bytes: Buffer.from(`${sent || "host"}\n`) }),
    isComplete: (sent) => sent === "web",
  };

  test.each([
    ["web", "web\n"],
    ["www\n", "www\n"],
    ["\n", "host\n"],
  ])("is answered at once when it sends %j", async (payload, reply) => {
    await using started = startListener(named);
    await until("an answer at once", async () => {
      const start = performance.now();
      expect(await ask(started.port, { payload })).toBe(reply);
      return performance.now() - start < 240;
    });
  });

  test("is answered after 0.25 s when it sends nothing, or no whole name", async () => {
    await using started = startListener(named);
    for (const payload of ["", "ww"]) {
      const start = performance.now();
      expect(await ask(started.port, { payload })).toBe(payload === "" ? "host\n" : "ww\n");
      expect(performance.now() - start).toBeGreaterThanOrEqual(240);
    }
  });

  test("is answered at once when its client has sent all and closed its half", async () => {
    await using started = startListener(named);
    jest.useFakeTimers();
    using _timers = { [Symbol.dispose]: () => jest.useRealTimers() };
    const { promise, resolve } = Promise.withResolvers<string>();
    const socket = connect({ host: "127.0.0.1", port: started.port, allowHalfOpen: true });
    socket.end("ww");
    socket.once("data", (chunk) => resolve(chunk.toString()));
    expect(await promise).toBe("ww\n");
    socket.destroy();
  });

  test("that hangs up before it has named one was told nothing", async () => {
    await using started = startListener(named);
    const socket = connect({ host: "127.0.0.1", port: started.port });
    await new Promise((resolve) => socket.once("connect", resolve));
    socket.resetAndDestroy();
    expect(await ask(started.port, { payload: "web" })).toBe("web\n");
    expect(await started.closed(1)).toMatchObject([{ sent: "web" }]);
  });
});

describe("a check before which a file is looked at", () => {
  test("is answered with what the look has found", async () => {
    let reply = "old\n";
    await using started = startListener({
      answer: () => ({ bytes: Buffer.from(reply) }),
      async refresh(sent) {
        await Bun.sleep(5);
        reply = `new ${sent}\n`;
      },
    });
    expect(await ask(started.port)).toBe("new \n");
  });

  test("that hangs up meanwhile is told nothing", async () => {
    const look = Promise.withResolvers<void>();
    await using started = startListener({ refresh: () => look.promise });
    const socket = connect({ host: "127.0.0.1", port: started.port });
    await new Promise((resolve) => socket.once("connect", resolve));
    socket.resetAndDestroy();
    await Bun.sleep(20);
    look.resolve();
    expect(await ask(started.port)).toBe("UP\n");
    expect(await started.closed(1)).toHaveLength(1);
  });
});

/** Descriptors of which none is left for checks that linger, and one for those that wait. */
class Scarce extends Descriptors {
  override get waitingCaps() {
    return { naming: 1, refreshing: 1 };
  }

  override admit(): boolean {
    return false;
  }
}

describe("a check that is one too many to linger", () => {
  test.each(["", "web\n"])(
    "is closed with its answer, and may not have got it (%j)",
    async (payload) => {
      await using started = startListener({ descriptors: new Scarce() });
      for (let count = 1; count <= 3; count += 1) {
        expect(await ask(started.port, { payload })).toBe("UP\n");
        expect((await started.closed(count)).at(-1)).toMatchObject({ isServed: false });
      }
    },
  );

  test("waits for a look into the file, and more are answered what is known", async () => {
    let reply = "old\n";
    const look = Promise.withResolvers<void>();
    const begun: string[] = [];
    await using started = startListener({
      descriptors: new Scarce(),
      answer: () => ({ bytes: Buffer.from(reply) }),
      refresh(sent) {
        begun.push(sent);
        return look.promise;
      },
    });
    const first = ask(started.port);
    await until("it waits", () => begun.length === 1);
    for (let i = 0; i < 3; i += 1) expect(await ask(started.port)).toBe("old\n");
    reply = "new\n";
    look.resolve();
    expect(await first).toBe("new\n");
    await started.closed(4);
    for (let i = 0; i < 3; i += 1) expect(await ask(started.port)).toBe("new\n");
    expect(begun).toHaveLength(4);
  });

  test("is answered when it names a service; who has been silent longest gives way", async () => {
    await using started = startListener({
      descriptors: new Scarce(),
      answer: (sent) => ({ bytes: Buffer.from(`${sent}\n`) }),
      isComplete: () => false,
    });
    const silent = ask(started.port, { payload: "we" }).catch(() => "");
    for (const name of ["web\n", "api\n"]) {
      expect(await ask(started.port, { payload: name })).toBe(name);
    }
    expect(await silent).toBe("");
    expect(await ask(started.port, { payload: "we" })).toBe("we\n");
  });
});

test("a name may come in pieces, and what follows it is nothing", async () => {
  await using started = startListener({
    answer: (sent) => ({ bytes: Buffer.from(`${sent}\n`) }),
    isComplete: (sent) => sent === "web",
  });
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect({ host: "127.0.0.1", port: started.port, noDelay: true });
  socket.once("data", (chunk) => resolve(chunk.toString()));
  socket.write("w");
  await new Promise(setImmediate);
  socket.write("eb");
  expect(await promise).toBe("web\n");
  socket.write("2\n");
  socket.end();
  expect(await started.closed(1)).toMatchObject([{ sent: "web2", isServed: true }]);
});

test("what clients send is discarded where nobody wants to know it", async () => {
  await using started = startListener({ closed: undefined });
  expect(await ask(started.port, { payload: "x".repeat(100_000) })).toBe("UP\n");
});

test("a stop accepts nobody more, and waits for all clients", async () => {
  const started = startListener();
  const clients = [await read(started.port), await read(started.port)];
  let isOver = false;
  const stopped = started.listener.stop(60_000).then(() => {
    isOver = true;
  });
  await expect(ask(started.port)).rejects.toThrow();
  for (const [i, { socket }] of clients.entries()) {
    expect(isOver).toBe(false);
    socket.destroy();
    await started.closed(i + 1);
  }
  await stopped;
});

test("a stop waits for clients in flight, but not for ever", async () => {
  const idle = startListener();
  const start = performance.now();
  await idle.listener.stop(5000);
  expect(performance.now() - start).toBeLessThan(1000);
  const held = startListener();
  const { socket } = await read(held.port);
  const stopped = held.listener.stop(5000);
  socket.destroy();
  await stopped;
  expect(performance.now() - start).toBeLessThan(3000);
  const stuck = startListener();
  const client = await read(stuck.port);
  await stuck.listener.stop(50);
  client.socket.destroy();
});
