// The control socket is a file:
// - only the agent's user can open it, and it goes when the agent stops;
// - what a killed agent left is taken over, and nothing else that is there is touched;
// - a start that is refused, and a stop, leave the socket of another agent alone.
import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { runAgent, startAgent } from "../../scripts/lib/agent.ts";
import { freePort } from "../../scripts/lib/port.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { Client } from "./client.ts";
import { startControlled } from "./control.ts";
import { executableForAll, UNPRIVILEGED } from "./faults/launchers.ts";

describe.concurrent("the control socket", () => {
  test("has mode 0600 whatever the umask, is in the log, is gone after SIGTERM", async () => {
    const launcher = ["sh", "-c", 'umask 0; exec "$@"', "sh"];
    await using agent = await startAgent({ state: { status: "UP" }, socket: true, launcher });
    expect(await agent.logs(/listening/)).toEndWith(` socket=${agent.socket}`);
    expect(statSync(agent.socket).mode & 0o7777).toBe(0o600);
    // The umask is that of before again: a new state file is for all to read.
    rmSync(agent.stateFile);
    expect(await agent.ctl("set", "status", "DOWN")).toMatchObject({ exitCode: 0 });
    expect(statSync(agent.stateFile).mode & 0o7777).toBe(0o644);
    expect(await agent.stop()).toBe(0);
    expect(existsSync(agent.socket)).toBe(false);
  });

  test("that a killed agent has left is taken over", async () => {
    await using killed = await startControlled();
    await killed.stop("SIGKILL");
    expect(statSync(killed.socket).isSocket()).toBe(true);
    await using agent = await startAgent({
      state: { status: "MAINT" },
      env: { ...TUNED, HAPGENT_SOCKET: killed.socket },
    });
    expect((await killed.ctl("show", "state")).stdout).toContain("MAINT");
    expect(statSync(killed.socket).mode & 0o7777).toBe(0o600);
    expect(await agent.stop()).toBe(0);
  });

  test("of a live agent is refused, also when that agent stands still", async () => {
    await using live = await startControlled();
    for (const signal of ["SIGCONT", "SIGSTOP"] as const) {
      live.signal(signal);
      expect(await refuse(live.socket)).toBe("another agent serves it");
    }
    live.signal("SIGCONT");
    expect((await live.ctl("show", "state")).exitCode).toBe(0);
  });

  test("of an agent that stands still with a full backlog is refused", async () => {
    await using live = await startControlled();
    live.signal("SIGSTOP");
    using clients = new DisposableStack();
    const connect = async () => clients.use(await Client.connect(live.socket));
    while (await connect().then(Boolean, () => false));
    expect(await refuse(live.socket)).toBe("another agent serves it, but does not answer");
    clients.dispose();
    live.signal("SIGCONT");
    await until("answers", async () => (await live.ctl("show", "state")).exitCode === 0);
  });

  test("of another user's agent is refused, also where it could be removed", async () => {
    await using live = await startControlled();
    chmodSync(live.directory.path, 0o777);
    const start = startAgent({
      env: { ...TUNED, HAPGENT_SOCKET: live.socket },
      executable: executableForAll(),
      launcher: UNPRIVILEGED,
    });
    await expect(start).rejects.toThrow(`${live.socket}: permission denied (EACCES)`);
    expect((await live.ctl("show", "state")).exitCode).toBe(0);
  });

  test("is left alone by a start that is refused the port", async () => {
    await using killed = await startControlled();
    await killed.stop("SIGKILL");
    const { ino } = statSync(killed.socket);
    using other = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const { stderr, exitCode } = await runAgent([], {
      ...TUNED,
      HAPGENT_IP: "127.0.0.1",
      HAPGENT_PORT: String(other.port),
      HAPGENT_SOCKET: killed.socket,
    });
    expect({ stderr, exitCode }).toEqual({
      stderr: expect.stringContaining("the port is in use (EADDRINUSE)"),
      exitCode: 1,
    });
    expect(statSync(killed.socket).ino).toBe(ino);
  });

  test("of a successor stays when its predecessor stops", async () => {
    await using first = await startControlled({ status: "DOWN" });
    rmSync(first.socket);
    await using successor = await startAgent({
      state: { status: "MAINT" },
      env: { ...TUNED, HAPGENT_SOCKET: first.socket },
    });
    expect(await first.stop()).toBe(0);
    expect((await first.ctl("show", "state")).stdout).toContain("MAINT");
    expect(await successor.stop()).toBe(0);
    expect(existsSync(first.socket)).toBe(false);
  });

  test.each<[string, string, (path: string) => void]>([
    ["a file", "it is not a socket", (path) => writeFileSync(path, "mine")],
    ["a directory", "it is not a socket", (path) => mkdirSync(path)],
    ["below no directory", "no such file or directory (ENOENT)", () => undefined],
  ])("at a path that is %s is refused, and the path left alone", async (kind, reason, make) => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/${kind === "below no directory" ? "no/" : ""}path`;
    make(path);
    expect(await refuse(path)).toBe(reason);
    if (kind === "a file") expect(readFileSync(path, "utf8")).toBe("mine");
    else expect(existsSync(path)).toBe(kind === "a directory");
  });
});

/**
 * Starts an agent whose control socket must be refused, and returns the reason: all that it says.
 */
async function refuse(path: string): Promise<string> {
  using directory = temporaryDirectory();
  const env = {
    ...TUNED,
    HAPGENT_IP: "127.0.0.1",
    HAPGENT_PORT: String(freePort()),
    HAPGENT_SOCKET: path,
    HAPGENT_STATE_FILE: stateIn(directory.path),
  };
  const { stdout, stderr, exitCode } = await runAgent([], env);
  expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 1 });
  const [, reason] = /^hapgent: cannot open the control socket \S+: (.*)\n$/.exec(stderr) ?? [];
  if (reason === undefined) throw new Error(`expected one line, got ${JSON.stringify(stderr)}`);
  return reason;
}

function stateIn(directory: string): string {
  writeFileSync(`${directory}/state.json`, '{"status":"UP"}');
  return `${directory}/state.json`;
}
