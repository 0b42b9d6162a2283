// Who has been told what. The rule that all of these hold: `wait` is never ok while somebody may not
// have the present reply.
import { afterAll, afterEach, describe, expect, spyOn, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { POLLER_LIMIT, Pollers } from "../../src/agent/pollers.ts";
import { Services } from "../../src/agent/services.ts";
import type { Status } from "../../src/state/state.ts";

let now = 0;
const clock = spyOn(performance, "now").mockImplementation(() => now);

afterEach(() => {
  now = 0;
});

afterAll(() => clock.mockRestore());

/** A host whose reply is a status, and its pollers. */
function createPollers() {
  let pollers: Pollers | undefined;
  const changing = () => pollers?.forgetSilent();
  const options = { file: "/nowhere", directory: undefined, mode: "exact", watch: false } as const;
  const services = new Services({ ...options, changing });
  pollers = new Pollers(services);
  const { host } = services;
  return {
    pollers,
    /** Makes the host answer this status from this second on. */
    become(status: Status, second: number) {
      now = second * 1000;
      services.answerWhileStopping(status);
    },
    /** Notes a check of this second; `told` undefined: it may not have got its reply. */
    check(second: number, address: string, sent = "", told: string | undefined = host.reply.text) {
      now = second * 1000;
      pollers.record({ address, sent }, told);
    },
    /** Notes a check that may not have been served. */
    fail(second: number, address: string) {
      now = second * 1000;
      pollers.record({ address, sent: "" }, undefined);
    },
    /** What a wait of no time says at this second. */
    async ask(second: number, count?: number) {
      now = second * 1000;
      return (await pollers.wait({ seconds: 0, count })).problem;
    },
    addresses: () => pollers.list().map(({ address }) => address),
  };
}

describe("the pollers", () => {
  test("are listed with what they sent, when they asked and what they were told, the latest last", () => {
    const { pollers, become, check, fail } = createPollers();
    become("UP", 0);
    check(1, "a");
    check(2, "b", "web");
    check(3, "a");
    become("DOWN", 3.2);
    check(3.3, "b", "api");
    fail(3.4, "c");
    now = 3500.4;
    expect(pollers.list()).toEqual([
      { address: "b", sent: "web", age: 1.5, reply: "UP", isServed: false },
      { address: "a", sent: "", age: 0.5, reply: "UP", isServed: false },
      { address: "b", sent: "api", age: 0.2, reply: "DOWN", isServed: true },
      { address: "c", sent: "", age: 0.1, reply: null, isServed: false },
    ]);
  });

  test("that were served are forgotten after a minute; the others never", () => {
    const { become, check, fail, addresses } = createPollers();
    become("UP", 0);
    check(0, "a");
    check(30, "b");
    fail(0, "c");
    now = 60_001;
    expect(addresses()).toEqual(["b", "c"]);
    become("DOWN", 90);
    now = 10_000_000;
    expect(addresses()).toEqual(["b", "c"]);
  });

  test("that stopped asking before a change are not required to hear of it", async () => {
    const { become, check, ask, addresses } = createPollers();
    become("UP", 0);
    check(0, "a");
    check(70, "b");
    become("DOWN", 71);
    expect(addresses()).toEqual(["b"]);
    check(73, "b");
    expect(await ask(80)).toBeUndefined();
  });

  test("can be forgotten by address, all lines of it", () => {
    const { pollers, check, addresses } = createPollers();
    check(1, "a", "web");
    check(1, "a", "api");
    check(1, "b", "api");
    expect(pollers.forget("a")).toBe(2);
    expect(pollers.forget("a")).toBe(0);
    expect(addresses()).toEqual(["b"]);
  });

  test("are at most 4,096; a served one makes room, an unserved one never", async () => {
    const { become, check, ask, addresses } = createPollers();
    become("UP", 0);
    for (let i = 0; i < POLLER_LIMIT; i += 1) check(1, `10.0.0.${i}`);
    expect(await ask(10)).toBeUndefined();
    check(2, "new");
    // One that was heard of a second ago is not remembered: nobody would miss it at a change.
    expect(await ask(10)).toBe("more than 4096 pollers: not all of them are known");
    expect(addresses()).toHaveLength(POLLER_LIMIT);
    expect(addresses()).not.toContain("10.0.0.0");
    become("DOWN", 3);
    check(4, "newer");
    expect(addresses()).not.toContain("newer");
    expect(await ask(63)).toBe("more than 4096 pollers: not all of them are known");
    expect(await ask(64)).toStartWith("not served to ");
  });

  test("make room unnoticed where they have not asked for a minute", async () => {
    const { become, check, ask } = createPollers();
    become("UP", 0);
    for (let i = 0; i < POLLER_LIMIT; i += 1) check(1, `10.0.0.${i}`);
    check(62, "new");
    expect(await ask(63)).toBeUndefined();
  });
});

describe("a wait", () => {
  test("is over when all were served the present reply, and an interval has passed", async () => {
    const { become, check, ask } = createPollers();
    become("UP", 0);
    check(1, "a");
    check(1, "b");
    expect(await ask(10)).toBeUndefined();
    become("DOWN", 20);
    check(20.1, "a");
    expect(await ask(20.2)).toBe("not served to 1 of 2");
    check(21, "b");
    expect(await ask(21.9)).toBe("less than one check interval (20 s) has passed since the change");
    check(22, "b");
    check(22, "a");
    check(23, "b");
    check(23, "a");
    expect(await ask(21.9)).toBe("less than one check interval (2 s) has passed since the change");
    expect(await ask(23)).toBeUndefined();
  });

  test("is not over before an interval has passed since the start, where nothing has changed", async () => {
    const { check, ask } = createPollers();
    check(1, "a");
    expect(await ask(1.9, 1)).toStartWith("less than one check interval (2 s) has passed");
    expect(await ask(2, 1)).toBeUndefined();
  });

  test("lasts as long as the longest of the last two gaps of a poller", async () => {
    const { become, check, ask } = createPollers();
    become("UP", 0);
    for (const second of [0, 5, 10, 15]) check(second, "a");
    become("DOWN", 16);
    check(17, "a");
    expect(await ask(20)).toBe("less than one check interval (5 s) has passed since the change");
    expect(await ask(21)).toBeUndefined();
  });

  test("requires one that got an older reply, or none for sure, however long it is silent", async () => {
    const { become, check, fail, ask } = createPollers();
    become("UP", 0);
    check(0, "a");
    check(0, "b");
    become("DOWN", 30);
    check(32, "a");
    expect(await ask(50)).toBe("not served to 1 of 2");
    expect(await ask(100)).toBe("not served to 1 of 1");
    check(100, "a");
    check(100, "b");
    expect(await ask(160)).toBeUndefined();
    fail(170, "b");
    expect(await ask(171)).toBe("not served to 1 of 1");
  });

  test("tells two lines of one load balancer apart by what they send", async () => {
    const { become, check, ask } = createPollers();
    become("UP", 0);
    check(8, "a", "web");
    check(8, "a", "api");
    become("DOWN", 10);
    check(12, "a", "web");
    expect(await ask(15)).toBe("not served to 1 of 2");
    check(15, "a", "api");
    expect(await ask(20)).toBeUndefined();
  });

  test("is not over before somebody has asked", async () => {
    const { ask } = createPollers();
    expect(await ask(1000)).toBe("no load balancer has asked");
  });

  test("is not over before the agent has listened for 10 s, unless all are counted", async () => {
    const { become, check, ask } = createPollers();
    become("UP", 0);
    check(2, "a");
    expect(await ask(9)).toBe(
      "the agent has listened for 9 s only, and knows its pollers after 10 s",
    );
    expect(await ask(9, 2)).toBe("only 1 of 2 pollers have asked");
    check(9, "b");
    expect(await ask(9, 2)).toBeUndefined();
    expect(await ask(1.5, 2)).toBe(
      "less than one check interval (2 s) has passed since the change",
    );
    expect(await ask(10)).toBeUndefined();
  });

  test("about a service that is new is not over before the agent has listened for 10 s", async () => {
    using directory = temporaryDirectory();
    writeFileSync(`${directory.path}/web.json`, '{"status":"UP"}');
    const file = "/nowhere";
    const options = { file, directory: directory.path, mode: "exact", watch: false } as const;
    const services = new Services(options);
    const pollers = new Pollers(services);
    now = 100_000;
    await services.start();
    now = 101_000;
    pollers.record({ address: "a", sent: "web" }, services.answer("web").text);
    const problem = async (second: number) => {
      now = second * 1000;
      return (await pollers.wait({ name: "web", seconds: 0 })).problem;
    };
    expect(await problem(105)).toStartWith("the agent has listened for 5 s only");
    expect(await problem(110)).toBeUndefined();
  });

  test("goes on until its time is over, or nobody wants to know any more", async () => {
    const { pollers, become, check } = createPollers();
    become("UP", 0);
    check(0, "a");
    become("DOWN", 20);
    let isWanted = true;
    const unwanted = pollers.wait({ seconds: 3600, isWanted: () => isWanted });
    const timed = pollers.wait({ seconds: 5 });
    isWanted = false;
    expect((await unwanted).problem).toBe("not served to 1 of 1");
    now = 25_000;
    const { problem, seconds, pollers: reports } = await timed;
    expect({ problem, seconds }).toEqual({ problem: "not served to 1 of 1", seconds: 5 });
    expect(reports).toEqual([{ address: "a", sent: "", age: 25, reply: "UP", isServed: false }]);
  });

  test("at the end of the agent is over at once where nobody has asked in 10 s", async () => {
    const { pollers } = createPollers();
    now = 10_001;
    await pollers.tellAll(3600);
    expect(pollers.list()).toEqual([]);
  });

  test.each([
    ["somebody who has asked has not got the reply", 100, true],
    ["somebody may ask yet, 10 s after the start", 9, false],
  ])("at the end of the agent lasts while %s", async (_, second, hasAsked) => {
    const { pollers, become, check } = createPollers();
    become("UP", 0);
    if (hasAsked) check(second, "a");
    become("DOWN", second);
    let isOver = false;
    const told = pollers.tellAll(5).then(() => {
      isOver = true;
    });
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
    expect(isOver).toBe(false);
    now += 5000;
    await told;
  });
});
