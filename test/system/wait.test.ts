// `wait` is over when every known poller was served the present reply, and an error when its time is
// over before that.
import { describe, expect, test } from "bun:test";
import { until } from "../../scripts/lib/until.ts";
import { askFrom, Client } from "./client.ts";
import { good, startControlled } from "./control.ts";

describe.concurrent("wait", () => {
  test("answers at once when no poller is known, and when all were served", async () => {
    await using agent = await startControlled();
    expect(await agent.ctl("wait", "60")).toEqual(good("ok served to all of 0 pollers: UP"));
    await agent.ask();
    await askFrom("127.0.0.2", agent);
    expect(await agent.ctl("wait", "60")).toEqual(good("ok served to all of 2 pollers: UP"));
  });

  test("answers as soon as the last poller was served, the agent's own socket in use", async () => {
    await using agent = await startControlled();
    await agent.ask();
    await askFrom("127.0.0.2", agent);
    await agent.ctl("set", "status", "DRAIN");
    using client = await Client.connect(agent.socket);
    client.send("wait 60\n");
    await agent.ask();
    expect((await agent.ctl("show", "pollers")).stdout).toContain('"reply":"UP"');
    expect(client.text).toBe("");
    await askFrom("127.0.0.2", agent);
    expect(await client.answers(1)).toEqual(["ok served to all of 2 pollers: DRAIN"]);
  });

  test("names those that were not served in time", async () => {
    await using agent = await startControlled();
    for (const address of ["127.0.0.2", "127.0.0.3", "127.0.0.4"]) await askFrom(address, agent);
    await agent.ctl("set", "status", "DOWN", "why");
    await askFrom("127.0.0.3", agent);
    const start = performance.now();
    const { stderr, exitCode } = await agent.ctl("wait", "1");
    expect(performance.now() - start).toBeWithin(1000, 2000);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /^error: not served within 1 s to 127\.0\.0\.2 \(UP, .*\), 127\.0\.0\.4 \(UP, .*\)\n$/,
    );
    expect(await agent.ctl("wait", "0")).toMatchObject({ exitCode: 1 });
  });

  test("follows a reply that changes meanwhile", async () => {
    await using agent = await startControlled();
    await agent.ask();
    await agent.ctl("set", "status", "DRAIN");
    using client = await Client.connect(agent.socket);
    client.send("wait 60\n");
    agent.signal("SIGUSR2");
    await until("saved", () => agent.file().includes("DOWN"));
    await askFrom("127.0.0.2", agent);
    agent.change({ status: "MAINT" });
    await agent.logs(/new=MAINT/);
    // All were served DOWN or UP, and nobody MAINT.
    await agent.ask();
    expect(client.text).toBe("");
    await askFrom("127.0.0.2", agent);
    expect(await client.answers(1)).toEqual(["ok served to all of 2 pollers: MAINT"]);
  });
});
