// - A start says what it doubts, and a start that cannot be is one line and an exit code: 2 for a
//   wrong setting, 1 for what is not to be had.
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { runAgent } from "../../scripts/lib/agent.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { refuse, show, start, testProcess } from "./driver.ts";

describe("a start", () => {
  test("with a wrong setting is over with exit code 2 and one line", async () => {
    expect(await refuse({ HAPGENT_PORT: "9777abc", HAPGENT_SOKET: "/run/hapgent.sock" })).toEqual({
      log: ['hapgent: HAPGENT_PORT: expected an integer from 1 to 65535, got "9777abc"'],
      exitCode: 2,
    });
  });

  test.each([
    ["127.5.0.1", "the port is in use (EADDRINUSE): HAPGENT_PORT sets another"],
    ["192.0.2.1", "address not available (EADDRNOTAVAIL)"],
  ])("on an address that cannot be bound (%s) is over with exit code 1", async (ip, why) => {
    await using other = await start({ socket: true });
    const env = {
      HAPGENT_SOKET: "/run/hapgent.sock",
      HAPGENT_IP: ip,
      HAPGENT_PORT: String(other.port),
      HAPGENT_STATE_FILE: other.stateFile,
      HAPGENT_SOCKET: other.socket,
    };
    const { log, exitCode } = await refuse(env);
    expect({ first: log[0], last: log.at(-1), exitCode }).toEqual({
      first: "hapgent: unknown variable HAPGENT_SOKET (did you mean HAPGENT_SOCKET?)",
      last: `hapgent: cannot listen on ${ip}:${other.port}: ${why}`,
      exitCode: 1,
    });
    // Not even the control socket is touched.
    expect((await show(other, "state")).reply).toBe("UP");
  });
});

testProcess(
  "the executable reads no .env and no bunfig.toml in its working directory",
  async () => {
    using directory = temporaryDirectory();
    writeFileSync(`${directory.path}/.env`, "HAPGENT_PORT=none\n");
    writeFileSync(`${directory.path}/bunfig.toml`, 'preload = ["./evil.ts"]\n');
    writeFileSync(`${directory.path}/evil.ts`, "process.exit(66);\n");
    expect(await runAgent(["--version"], {}, directory.path)).toMatchObject({ exitCode: 0 });
    const { stderr } = await runAgent([], { HAPGENT_IP: "none" }, directory.path);
    expect(stderr).toStartWith("hapgent: HAPGENT_IP:");
  },
);
