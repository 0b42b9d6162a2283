// What the control socket promises: one answer a command, in order; bounded lines, clients and
// patience; the path is taken over from the dead only, and left to a successor.
import { describe, expect, test } from "bun:test";
import { chownSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
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
    const close = await openControlSocket(path, OPTIONS);
    expect(await exchange(path, "one\ntwo \u00e9\r\n", 2)).toBe("ok one\nok two \u00e9\r\n");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await close();
    expect(existsSync(path)).toBe(false);
  });

  test("refuses a line that is too long, and commands that are too many", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/sock`;
    const close = await openControlSocket(path, {
      ...OPTIONS,
      execute: () => new Promise<string>(() => undefined),
    });
    const tooLong = "error: expected a line of at most 1024 bytes\n";
    expect(await exchange(path, `${"x".repeat(1025)}\n`, 1)).toBe(tooLong);
    expect(await exchange(path, "y".repeat(1025))).toBe(tooLong);
    expect(await exchange(path, "wait\n".repeat(14_000))).toBe("error: too many commands\n");
    await close();
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
