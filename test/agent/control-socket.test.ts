// What the control socket promises: one answer a command, in order; bounded lines, clients and
// patience; the path is taken over from the dead only, and left to a successor.
import { describe, expect, jest, spyOn, test } from "bun:test";
import { chownSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import * as promises from "node:fs/promises";
import { connect } from "node:net";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { ControlSocketError, openControlSocket } from "../../src/agent/control-socket.ts";
import { Descriptors } from "../../src/agent/descriptors.ts";

const OPTIONS = {
  mode: 0o600,
  execute: async (line: string) => `ok ${line}`,
  descriptors: new Descriptors(),
} as const;

/** Sends bytes and returns all that comes until the other side closes, or so many lines are there. */
async function exchange(path: string, text: string, lines = Number.POSITIVE_INFINITY) {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let got = "";
  const socket = connect({ path, allowHalfOpen: true }).on("error", reject);
  socket.on("data", (chunk) => {
    got += chunk.toString();
    if (got.split("\n").length > lines) resolve(got);
  });
  socket.on("end", () => resolve(got));
  socket.write(text);
  const answer = await promise;
  socket.destroy();
  return answer;
}

describe("a control socket", () => {
  test("answers each line in its order, as it was typed", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/sock`;
    const umask = process.umask();
    const close = await openControlSocket(path, OPTIONS);
    expect(await exchange(path, "one\ntwo \u00e9\r\n", 2)).toBe("ok one\nok two \u00e9\r\n");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(process.umask()).toBe(umask);
    await close();
    expect(existsSync(path)).toBe(false);
  });

  test("answers a command before it begins the next, on one connection", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/sock`;
    const first = Promise.withResolvers<string>();
    const ran: string[] = [];
    const close = await openControlSocket(path, {
      ...OPTIONS,
      async execute(line) {
        ran.push(line);
        return line === "one" ? await first.promise : `ok ${line}`;
      },
    });
    let got = "";
    const socket = connect({ path });
    socket.on("data", (chunk) => {
      got += chunk.toString();
    });
    for (const line of ["one", "two"]) {
      socket.write(`${line}\n`);
      await until("it has come", async () => (await exchange(path, "other\n", 1)) === "ok other\n");
    }
    expect(ran).toEqual(["one", "other", "other"]);
    first.resolve("ok at last");
    await until("both are answered", () => got === "ok at last\nok two\n");
    socket.write("three\n");
    await until("so is the third", () => got.endsWith("ok three\n"));
    socket.destroy();
    await close();
  });

  test("executes no half line, and answers what was sent before the end", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/sock`;
    const close = await openControlSocket(path, {
      ...OPTIONS,
      async execute(line) {
        await Bun.sleep(5);
        return `ok ${line}`;
      },
    });
    const { promise, resolve } = Promise.withResolvers<string>();
    let got = "";
    const socket = connect({ path, allowHalfOpen: true });
    socket.on("data", (chunk) => {
      got += chunk.toString();
    });
    socket.on("end", () => resolve(got));
    socket.end("one\nset weight 1");
    expect(await promise).toBe("ok one\nerror: expected a newline at the end\n");
    await close();
  });

  test("knows whether somebody still waits for an answer", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/sock`;
    const asked = Promise.withResolvers<() => boolean>();
    const close = await openControlSocket(path, {
      ...OPTIONS,
      execute(_, isWanted) {
        asked.resolve(isWanted);
        return new Promise<string>(() => undefined);
      },
    });
    const socket = connect({ path });
    socket.write("wait 60\n");
    const isWanted = await asked.promise;
    expect(isWanted()).toBe(true);
    socket.destroy();
    await until("nobody waits", () => !isWanted());
    await close();
  });

  test("closes who sends nothing for 5 s, unless he waits for an answer", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/sock`;
    const [asked, answer] = [Promise.withResolvers<void>(), Promise.withResolvers<string>()];
    jest.useFakeTimers();
    try {
      const close = await openControlSocket(path, {
        ...OPTIONS,
        execute() {
          asked.resolve();
          return answer.promise;
        },
      });
      // It is accepted before the one that asks.
      const silent = exchange(path, "");
      const waiting = exchange(path, "wait 60\n", 1);
      await asked.promise;
      jest.advanceTimersByTime(5000);
      expect(await silent).toBe("error: idle for 5 s\n");
      answer.resolve("ok at last");
      expect(await waiting).toBe("ok at last\n");
      await close();
    } finally {
      jest.useRealTimers();
    }
  });

  test("refuses a line that is too long, and commands that are too many", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/sock`;
    const close = await openControlSocket(path, {
      ...OPTIONS,
      execute: () => new Promise<string>(() => undefined),
    });
    const tooLong = "error: expected a line of at most 1024 bytes\n";
    const closeOther = await openControlSocket(`${path}2`, OPTIONS);
    for (const line of ["x".repeat(1024), ""]) {
      expect(await exchange(`${path}2`, `${line}\n`, 1)).toBe(`ok ${line}\n`);
    }
    await closeOther();
    expect(await exchange(path, `${"x".repeat(1025)}\n`, 1)).toBe(tooLong);
    expect(await exchange(path, "y".repeat(1025))).toBe(tooLong);
    expect(await exchange(path, "wait\n".repeat(14_000))).toBe("error: too many commands\n");
    await close();
  });

  test("gives a client that reads slowly all of a long answer", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/sock`;
    const answer = "0123456789".repeat(2 ** 18);
    const execute = async () => answer;
    const close = await openControlSocket(path, { ...OPTIONS, execute });
    const client = connect({ path });
    client.end("show services\nhelp\n");
    let got = "";
    for await (const chunk of client) {
      got += chunk;
      await Bun.sleep(0);
    }
    expect(got === `${answer}\n${answer}\n`).toBe(true);
    await close();
  });

  test("closes a client that does not read for 5 s", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/sock`;
    const ran: string[] = [];
    jest.useFakeTimers();
    try {
      const begun = Promise.withResolvers<void>();
      const close = await openControlSocket(path, {
        ...OPTIONS,
        async execute(line) {
          ran.push(line);
          begun.resolve();
          return line.repeat(2 ** 23);
        },
      });
      const deaf = connect({ path });
      const closed = new Promise((resolve) =>
        deaf.on("close", resolve).on("error", () => undefined),
      );
      deaf.write("one\ntwo\n");
      await begun.promise;
      for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
      jest.advanceTimersByTime(5000);
      deaf.resume();
      await closed;
      expect(ran).toEqual(["one"]);
      await close();
    } finally {
      jest.useRealTimers();
    }
  });

  test("closes all clients at the end", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/sock`;
    const close = await openControlSocket(path, OPTIONS);
    const silent = connect({ path });
    const closed = new Promise((resolve) => silent.on("close", resolve));
    silent.write("one\n");
    await new Promise((resolve) => silent.once("data", resolve));
    await close();
    await closed;
  });

  test("refuses one client more than it has descriptors for", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/sock`;
    const descriptors = new Descriptors();
    const close = await openControlSocket(path, { ...OPTIONS, descriptors });
    descriptors.reserveClients(2);
    const held = [connect({ path }), connect({ path })];
    await Promise.all(
      held.map((socket) => new Promise((resolve) => socket.once("connect", resolve))),
    );
    expect(await exchange(path, "")).toBe("error: more than 2 clients\n");
    held[0]?.destroy();
    await until(
      "there is room again",
      async () => (await exchange(path, "one\n", 1)) === "ok one\n",
    );
    held[1]?.destroy();
    descriptors.reserveClients(1);
    const last = connect({ path });
    await new Promise((resolve) => last.once("connect", resolve));
    expect(await exchange(path, "")).toBe("error: more than 1 clients\n");
    last.destroy();
    descriptors.reserveClients(0);
    expect(await exchange(path, "")).toBe("error: too few open files are allowed (ulimit -n)\n");
    await close();
  });

  test("is given to the group of its directory with mode 0660", async () => {
    using directory = temporaryDirectory();
    const folder = `${directory.path}/run`;
    mkdirSync(folder);
    if (process.getuid?.() === 0) chownSync(folder, 0, 12_345);
    const close = await openControlSocket(`${folder}/sock`, { ...OPTIONS, mode: 0o660 });
    const { mode, gid } = statSync(`${folder}/sock`);
    expect({ mode: mode & 0o777, gid }).toEqual({ mode: 0o660, gid: statSync(folder).gid });
    await close();
  });

  test("is not opened where the group cannot have it", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/sock`;
    const error = Object.assign(new Error("EPERM"), { code: "EPERM" });
    const chown = spyOn(promises, "chown").mockRejectedValue(error);
    try {
      await expect(openControlSocket(path, { ...OPTIONS, mode: 0o660 })).rejects.toThrow(
        `cannot give ${path} the group of its directory: operation not permitted (EPERM)`,
      );
    } finally {
      chown.mockRestore();
    }
    expect(existsSync(path)).toBe(false);
  });

  test("leaves the path to an agent that stands still, though it takes no connection", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/sock`;
    const listen = `Bun.listen({ unix: ${JSON.stringify(path)}, socket: { data() {} } })`;
    await using agent = Bun.spawn([process.execPath, "-e", `${listen}; console.log("listens")`], {
      stdio: ["ignore", "pipe", "ignore"],
      killSignal: "SIGKILL",
    });
    await agent.stdout.getReader().read();
    agent.kill("SIGSTOP");
    using clients = new DisposableStack();
    const fill = async () => {
      const client = await Bun.connect({ unix: path, socket: { data() {}, error() {} } });
      clients.defer(() => client.terminate());
    };
    while (
      await fill().then(
        () => true,
        () => false,
      )
    );
    await expect(openControlSocket(path, OPTIONS)).rejects.toThrow(
      `cannot open the control socket ${path}: another agent serves it, but does not answer`,
    );
  });

  test("takes a path over from an agent that is gone, from nobody else", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/sock`;
    const close = await openControlSocket(path, OPTIONS);
    await expect(openControlSocket(path, OPTIONS)).rejects.toThrow(ControlSocketError);
    expect(await exchange(path, "one\n", 1)).toBe("ok one\n");
    await close();
    // As a killed agent leaves it: a socket that nobody serves.
    const leave = `Bun.listen({ unix: ${JSON.stringify(path)}, socket: { data() {} } }); process.kill(process.pid, "SIGKILL");`;
    await Bun.spawn([process.execPath, "-e", leave]).exited;
    expect(statSync(path).isSocket()).toBe(true);
    const closeSecond = await openControlSocket(path, OPTIONS);
    expect(await exchange(path, "two\n", 1)).toBe("ok two\n");
    await closeSecond();
    writeFileSync(path, "mine");
    await expect(openControlSocket(path, OPTIONS)).rejects.toThrow(ControlSocketError);
  });

  test("leaves the socket of a successor alone when it closes", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/sock`;
    const close = await openControlSocket(path, OPTIONS);
    rmSync(path);
    const closeSecond = await openControlSocket(path, OPTIONS);
    await close();
    expect(await exchange(path, "two\n", 1)).toBe("ok two\n");
    await closeSecond();
  });
});
