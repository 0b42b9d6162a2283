// `wait` is ok only when it can be said that every load balancer has the present reply: all pollers
// were served, the agent knows its pollers, and one check interval has passed since the change. It is
// an error in every other case, and says why.
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { until } from "../../scripts/lib/until.ts";
import { askFrom, Client } from "./client.ts";
import { startControlled } from "./control.ts";

describe.concurrent("wait", () => {
  test("answers when all were served and an interval has passed, and then at once", async () => {
    await using agent = await startControlled();
    await agent.ask();
    await askFrom("127.0.0.2", agent, "web\n");
    const changed = performance.now();
    await agent.ctl("set", "status", "DRAIN");
    await agent.ask();
    await askFrom("127.0.0.2", agent, "web\nand more");
    const { stdout, exitCode } = await agent.ctl("wait", "60", "2");
    expect(performance.now() - changed).toBeWithin(2000, 20_000);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(
      /^ok served to all of 2 pollers after [\d.]+ s: DRAIN; 127\.0\.0\.1, 127\.0\.0\.2 "web"\n$/,
    );
    const start = performance.now();
    expect((await agent.ctl("wait", "60", "2")).exitCode).toBe(0);
    expect(performance.now() - start).toBeLessThan(1900);
  });

  test("is an error while nobody has asked", async () => {
    await using agent = await startControlled();
    expect(await agent.ctl("wait", "1")).toEqual({
      stdout: "",
      stderr: "error: after 1 s: no load balancer has asked\n",
      exitCode: 1,
    });
  });

  test("after a start waits for 10 s, unless the pollers are counted", async () => {
    await using agent = await startControlled();
    const start = performance.now();
    await agent.ask();
    expect((await agent.ctl("wait", "3")).stderr).toMatch(
      /^error: after 3 s: the agent has listened for [3-9](\.\d)? s only, and knows its pollers after 10 s\n$/,
    );
    expect((await agent.ctl("wait", "0", "2")).stderr).toBe(
      "error: after 0 s: only 1 of 2 pollers have asked\n",
    );
    await askFrom("127.0.0.2", agent);
    expect((await agent.ctl("wait", "0", "2")).exitCode).toBe(0);
    expect((await agent.ctl("wait", "60")).exitCode).toBe(0);
    expect(performance.now() - start).toBeWithin(9000, 30_000);
  });

  test("answers as soon as the last poller was served, the agent's own socket in use", async () => {
    await using agent = await startControlled();
    await agent.ask();
    await askFrom("127.0.0.2", agent);
    await agent.ctl("set", "status", "DRAIN");
    using client = await Client.connect(agent.socket);
    client.send("wait 60 2\n");
    await agent.ask();
    await Bun.sleep(2500);
    expect((await agent.ctl("show", "pollers")).stdout).toContain('"reply":"UP"');
    expect(client.text).toBe("");
    await askFrom("127.0.0.2", agent);
    const [answer] = await client.answers(1);
    expect(answer).toStartWith("ok served to all of 2 pollers after ");
  });

  test("names those that were not served, what they were told last, and when", async () => {
    await using agent = await startControlled();
    for (const address of ["127.0.0.2", "127.0.0.3", "127.0.0.4"]) await askFrom(address, agent);
    await agent.ctl("set", "status", "DOWN", "why");
    await askFrom("127.0.0.3", agent);
    const start = performance.now();
    const { stderr, exitCode } = await agent.ctl("wait", "1");
    expect(performance.now() - start).toBeWithin(1000, 6000);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /^error: after 1 s: not served to 2 of 3: 127\.0\.0\.2 \(told UP, asked [\d.]+ s ago\), 127\.0\.0\.4 \(told UP, .*\)\n$/,
    );
    expect((await agent.ctl("forget", "127.0.0.2")).stdout).toBe(
      "ok forgotten: 1 poller of 127.0.0.2\n",
    );
    expect((await agent.ctl("wait", "0")).stderr).toMatch(/not served to 1 of 2: 127\.0\.0\.4 /);
  });

  test("follows a reply that changes meanwhile", async () => {
    await using agent = await startControlled();
    await agent.ask();
    await agent.ctl("set", "status", "DRAIN");
    using client = await Client.connect(agent.socket);
    client.send("wait 60 2\n");
    agent.signal("SIGUSR2");
    await until("saved", () => agent.file().includes("DOWN"));
    await askFrom("127.0.0.2", agent);
    agent.change({ status: "MAINT" });
    await agent.logs(/new=MAINT/);
    // All were served DOWN or UP, and nobody MAINT.
    await agent.ask();
    expect(client.text).toBe("");
    await askFrom("127.0.0.2", agent);
    const [answer] = await client.answers(1);
    expect(answer).toMatch(/^ok served to all of 2 pollers after [\d.]+ s: MAINT; /);
  });

  test("sees an edit of a watched file first", async () => {
    await using agent = await startControlled({ status: "UP" }, { HAPGENT_WATCH: "on" });
    await agent.ask();
    writeFileSync(agent.stateFile, '{"status":"DRAIN"}');
    expect((await agent.ctl("wait", "0", "1")).stderr).toMatch(/not served to 1 of 1/);
    writeFileSync(agent.stateFile, '{"status":"DRAIN","weight":5}');
    expect((await agent.ctl("show", "state")).stdout).toContain('"weight":5');
    writeFileSync(agent.stateFile, '{"status":"MAINT","maxconn":7}');
    expect((await agent.ctl("set", "weight", "50")).stdout).toBe("ok saved: MAINT 50% maxconn:7\n");
  });
});
