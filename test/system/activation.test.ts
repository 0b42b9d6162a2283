// Every socket that systemd passes is served. How the variables are read is in test/settings.test.ts; what
// is no socket in commands.test.ts; that restarts fail no check in test/deploy/systemd.test.ts.
import { expect, test } from "bun:test";
import { startAgent } from "../../scripts/lib/agent.ts";
import { ask } from "../../scripts/lib/check.ts";

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
