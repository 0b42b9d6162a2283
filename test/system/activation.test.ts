// Every socket that systemd passes is served; what is no listening socket stops the start. How the
// variables are read is in test/settings.test.ts; that restarts fail no check in test/deploy/systemd.test.ts.
import { expect, test } from "bun:test";
import { startAgent } from "../../scripts/lib/agent.ts";
import { ask } from "../../scripts/lib/check.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { outcome, ROOT } from "../../scripts/lib/shell.ts";
import { TUNED } from "../../src/agent/tuning.ts";

test("each of the sockets that systemd passes is served, and the address is unused", async () => {
  const hosts = ["127.0.0.1", "::1", "127.0.0.1"];
  const launcher = ["bun", `${import.meta.dir}/activation-fixture.ts`, hosts.join(",")];
  await using agent = await startAgent({ state: { status: "UP" }, launcher });
  const [ports = "", ...lines] = agent.log;
  expect(lines).toEqual([expect.stringMatching(/^hapgent: listening .* address=fd:3,fd:4,fd:5 /)]);
  for (const [i, port] of ports.split(" ").entries()) {
    expect(await ask(Number(port), { hostname: hosts[i] ?? "" })).toBe("UP\n");
  }
  await expect(agent.ask()).rejects.toThrow();
});

test.each(["3<&-", "3</dev/null"])(
  "what is no listening socket is refused: %s",
  async (redirection) => {
    const script = `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" ${redirection}`;
    const env = { ...TUNED, HAPGENT_STATE_FILE: `${ROOT}deploy/state.json` };
    expect(await outcome(["sh", "-c", script, EXECUTABLE], { env, isClean: true })).toEqual({
      stdout: "",
      stderr: "hapgent: cannot listen on fd:3: invalid argument (EINVAL)\n",
      exitCode: 1,
    });
  },
);
