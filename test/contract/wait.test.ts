// `wait` is ok when it can be said that every poller that counts was served the present reply, and
// an error in every other case, that says why. The simulator plays the rules about pollers, and what
// is said of each is test/agent/wait.test.ts; here is what a deploy is told.
import { describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { Connection } from "./connection.ts";
import { ask, command, type Options, show, start, testInTime } from "./driver.ts";
import type { AgentHere } from "./here.ts";

const [FIRST, SECOND] = ["127.0.0.2", "127.0.0.3"];

/** An agent that knows its pollers, by their addresses. */
const NAMED: Options = {
  socket: true,
  env: { HAPGENT_POLLERS: `${FIRST} ${SECOND}`, HAPGENT_REPLY: "exact" },
};

/** One of services. */
const SERVED: Options = {
  ...NAMED,
  services: { web: '{"status":"UP"}', api: '{"status":"UP"}' },
  env: { HAPGENT_POLLERS: FIRST, HAPGENT_REPLY: "full" },
};

/** One that learns them. */
const UNNAMED: Options = { socket: true, env: { HAPGENT_FORGET: "3600" } };

/** Some checks, one every two seconds. */
async function poll(agent: AgentHere, count: number, ...addresses: string[]): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    for (const address of addresses) await ask(agent, "web\n", address);
    await agent.pass(2);
  }
}

describe("wait", () => {
  testInTime("is ok when all have the reply, and an interval has passed", NAMED, async (agent) => {
    await poll(agent, 2, FIRST, SECOND);
    await command(agent, "set status DRAIN");
    using waiting = await Connection.open(agent.socket, "wait 60\n");
    await poll(agent, 2, FIRST);
    await Bun.sleep(150);
    expect(waiting.text).toBe("");
    await poll(agent, 1, FIRST, SECOND);
    await agent.pass(1);
    expect((await waiting.lines())[0]).toMatch(
      /^ok served to all of 2 pollers after [\d.]+ s: DRAIN; 127\.0\.0\.2 "web", 127\.0\.0\.3 "web"$/,
    );
    // And then at once.
    const answer = await command(agent, "wait 60");
    expect(answer).toMatch(/^ok served to all of 2 pollers after [\d.]+ s: /);
    expect(agent.log.at(-1)).toStartWith('hapgent: wait cause=socket answer="ok served to ');
  });

  test("ends when the status that it is about has changed, or its service is gone, and says so", async () => {
    await using agent = await start(SERVED);
    using waiting = await Connection.open(agent.socket, "wait 60\n");
    await show(agent, "state");
    agent.signal("SIGUSR2");
    expect((await waiting.lines())[0]).toMatch(
      /^error: after [\d.]+ s: the host's status is not UP any more: it is DOWN \(SIGUSR2\)$/,
    );
    using other = await Connection.open(agent.socket, "@web wait 60\n");
    await show(agent, "state");
    rmSync(`${agent.services}/web.json`);
    await command(agent, "reload");
    expect((await other.lines())[0]).toMatch(
      /^error: after [\d.]+ s: "web" is no service any more$/,
    );
  });

  testInTime("without names learns who asks, and forgets who is silent", UNNAMED, async (agent) => {
    await poll(agent, 3, FIRST);
    const early = /has listened for [\d.]+ s only, and knows its pollers after 10 s$/;
    expect(await command(agent, "wait 0")).toMatch(early);
    // By itself, also where nobody looks.
    for (const seconds of [3590, 60]) {
      expect(agent.log).toHaveLength(2);
      await agent.pass(seconds);
      await ask(agent, "web\n", SECOND);
    }
    expect(agent.log[2]).toMatch(
      /^hapgent: load balancer forgotten address=127\.0\.0\.2 sent=web silent=36\d\d/,
    );
    await agent.pass(300);
    const answer = 'ok forgotten: 1 poller silent for 300 s: 127.0.0.3 "web"';
    expect(await command(agent, "forget silent 300")).toBe(answer);
    expect(agent.log[3]).toBe(`hapgent: forget cause=socket answer=${JSON.stringify(answer)}`);
    const allowed = /^ok after [\d.]+ s: UP; no load balancer has asked$/;
    expect(await command(agent, "wait 0 0")).toMatch(allowed);
  });

  test("goes on, for as long as it is told, where its client has closed its half only", async () => {
    await using agent = await start(NAMED);
    using half = await Connection.open(agent.socket);
    half.end("wait 1\n");
    expect(await half.rest()).toMatch(
      /^error: after [\d.]+ s: 2 of 2 load balancers do not know: /,
    );
  });

  testInTime("by services is about the pollers of one, or of all", SERVED, async (agent) => {
    for (const name of ["web", "api", "web", "", "api"]) {
      if (name === "") await command(agent, "@web set status DOWN");
      else await ask(agent, `${name}\n`, FIRST);
      await agent.pass(2.5);
    }
    const served = /^ok served to 1 poller after [\d.]+ s: ready up 100%; 127\.0\.0\.2 "api"/;
    expect(await command(agent, "@api wait 0")).toMatch(served);
    const untold = /1 of \d load balancers? does not know: 127\.0\.0\.2 "web" was told ready/;
    expect(await command(agent, "@web wait 0")).toMatch(untold);
    expect(await command(agent, "wait 0")).toMatch(untold);
    expect(JSON.parse(await command(agent, "@web show pollers"))).toMatchObject([{ sent: "web" }]);
    expect(await command(agent, "@web forget 127.0.0.2")).toStartWith("ok forgotten: 1 poller");
    // Who names no service is told so, once.
    for (let i = 0; i < 2; i += 1) await ask(agent, "www\\n", FIRST);
    expect(agent.log.filter((line) => line.includes("no service "))).toEqual([
      'hapgent: a check asks for no service address=127.0.0.2 sent="www\\\\n" hint="no newline: HAProxy keeps \\\\n in single quotes"',
    ]);
  });
});
