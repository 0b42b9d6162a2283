// A wait is ok only when every load balancer that counts is known to have the present reply. It is
// an error in every other case, and says for each what it was told, when it asked, and what to do.
import { describe, expect, test } from "bun:test";
import { Wait } from "../../src/agent/wait.ts";
import { describeStop } from "../../src/agent/wait-words.ts";
import { Bench, every } from "./pollers-fixture.ts";

/** An agent that was up for long, and a load balancer that asks every two seconds. */
function startBench(options: ConstructorParameters<typeof Bench>[0] = {}): Bench {
  return new Bench(options).check(every(2, -10, 5), "10.0.0.1", "web");
}

describe("a wait is ok", () => {
  test("once all have the present reply, and tells who they are", () => {
    const bench = startBench().check([-9.3, -6.3, -3.3, -0.3], "10.0.0.2");
    const answer = bench.at(0).set("DRAIN").begin(30);
    expect(answer(0)).toBeUndefined();
    bench.check([0.1], "10.0.0.1", "web");
    expect(answer(2.6)).toBeUndefined();
    bench.check([2.7], "10.0.0.2");
    expect(answer(3.1)).toBe(
      'ok served to all of 2 pollers after 3.1 s: DRAIN 100%; 10.0.0.1 "web", 10.0.0.2',
    );
    expect(bench.forget(4, "10.0.0.2")).toStartWith("ok");
    expect(bench.wait(4)).toBe('ok served to 1 poller after 0 s: DRAIN 100%; 10.0.0.1 "web"');
  });

  test("after 2.5 s at the earliest, for those that look alike", () => {
    const bench = startBench().at(0).set("DRAIN").check([0.1, 2], "10.0.0.1", "web");
    expect(bench.wait(2.4)).toBe(
      "error: after 0 s: less than one check interval (2.5 s) has passed since the change",
    );
    expect(bench.wait(2.5)).toStartWith("ok");
  });

  test("after the longest interval of those that count", () => {
    const bench = startBench().check([-11, -6, -1], "10.0.0.2");
    bench.at(0).set("DRAIN").check([1], "10.0.0.1", "web").check([4], "10.0.0.2");
    expect(bench.wait(4.9)).toStartWith("error: after 0 s: less than one check interval (5 s)");
    expect(bench.wait(5)).toStartWith("ok");
  });

  test("2.5 s after an outage, in which others that look like one may have missed a check", () => {
    const bench = new Bench().check(every(0.3, -10, 33), "10.0.0.1");
    bench.at(0).set("DRAIN").check([9, 9.2], "10.0.0.1");
    expect(bench.wait(9.3)).toStartWith("error: after 0 s: less than one check interval (2.5 s)");
    expect(bench.check(every(0.3, 9.3, 8), "10.0.0.1").wait(11.5)).toStartWith("ok");
  });

  test("for a new weight too, which must be served", () => {
    const bench = startBench();
    const answer = bench.at(0).set("DRAIN").begin(30);
    bench.check([0.1], "10.0.0.1", "web").host.put(undefined, "DRAIN", "socket", 2000, 50);
    expect(answer(2)).toBeUndefined();
    bench.check([2.1], "10.0.0.1", "web");
    expect(answer(4.4)).toBeUndefined();
    expect(answer(4.5)).toStartWith("ok served to 1 poller after 4.5 s: DRAIN 50%");
  });

  test("without those that ask for what is no service", () => {
    const bench = startBench({ services: ["web"] }).check([-9, -7, -5], "10.0.0.9", "wbe");
    expect(bench.wait(3)).toEndWith(': UP 100%; 10.0.0.1 "web"');
    bench.host.remove("web", 3000);
    expect(bench.wait(6)).toContain('10.0.0.1 "web" was told UP 100% 8 s ago');
  });

  test("and names strangers that ask like load balancers, also where it is an error", () => {
    const bench = startBench({ named: "10.0.0.1" });
    bench.check(every(2, -9, 3), "10.0.0.44").check([-9, -8, -7], "10.0.0.45", "web");
    bench.check([-1], "10.0.0.46");
    const note = '; not counted: 10.0.0.44, asks every 2 s; 10.0.0.45 "web", asks every 1 s';
    expect(bench.wait(2.5)).toBe(`ok served to 1 poller after 0 s: UP 100%; 10.0.0.1 "web"${note}`);
    expect(bench.at(2.5).set("DRAIN").wait(2.6)).toEndWith(note);
    expect(bench.wait(60)).not.toContain("not counted");
  });
});

describe("an error says", () => {
  test("of one that is silent what it was told, when, and how to go on, however long ago", () => {
    const bench = startBench().check([-8, -6, -4], "10.0.0.2", "b").at(70).set("DRAIN");
    bench.check(every(2, 70, 4), "10.0.0.1", "web");
    expect(bench.wait(80, { seconds: 10 })).toBe(
      'error: after 10 s: 1 of 2 load balancers does not know: 10.0.0.2 "b" was told UP 100% 84 s ago and has not asked since. If it is gone: hapgent ctl forget 10.0.0.2',
    );
    expect(bench.wait(1_000_000)).toContain("does not know: 10.0.0.2");
  });

  test.each([
    [[0], "hapgent ctl forget 10.0.1.0"],
    [
      [0, 1, 2],
      "hapgent ctl forget 10.0.1.0; hapgent ctl forget 10.0.1.1; hapgent ctl forget 10.0.1.2",
    ],
    [every(1, 0, 10), "hapgent ctl forget silent 50"],
  ])("of silent ones %j which command goes on", (indices, command) => {
    const bench = startBench();
    for (const i of indices) bench.check([-3, -2, -1], `10.0.1.${i}`);
    bench.at(0).set("DRAIN").check([48], "10.0.0.1", "web");
    expect(bench.wait(49)).toEndWith(
      `f ${indices.length === 1 ? "it is" : "they are"} gone: ${command}`,
    );
  });

  test("of many the first eight", () => {
    const bench = new Bench();
    for (let i = 0; i < 10; i += 1) bench.check([-3, -2, -1], `10.0.0.${i}`);
    const answer = bench.at(0).set("DRAIN").wait(0);
    expect(answer).toMatch(
      /10 of 10 load balancers do not know: .*10\.0\.0\.7 was told .* and 2 more\./,
    );
  });

  test("of one that asks and gets nothing what it was sent", () => {
    const bench = startBench().at(0).set("DRAIN").check([0, 2], "10.0.0.1", "web", false);
    const advice = "If it is gone: hapgent ctl forget 10.0.0.1";
    expect(bench.wait(3)).toBe(
      `error: after 0 s: 1 of 1 load balancer does not know: 10.0.0.1 "web" was told UP 100% 5 s ago, and has perhaps heard DRAIN 100% 1 s ago. ${advice}`,
    );
    const never = new Bench().check([0, 1, 2], "10.0.0.2", "", false);
    expect(never.wait(3)).toEndWith(
      ": 10.0.0.2 (new) asked 1 s ago, was sent UP 100% and has perhaps never heard it. " +
        "If it is no load balancer: hapgent ctl forget 10.0.0.2 " +
        "(for good: HAPGENT_POLLERS names those that are)",
    );
    never.at(4).set("DRAIN").check([4, 5, 6], "10.0.0.3", "", false);
    expect(never.wait(7)).toContain(
      ". If one is no load balancer, or gone: hapgent ctl forget 10.0.0.2; hapgent ctl forget 10.0.0.3 (",
    );
  });

  test("that one asks more slowly than the wait lasts", () => {
    const bench = startBench().check([-300, -180, -60], "10.0.0.2").at(0).set("DRAIN");
    bench.check([29], "10.0.0.1", "web");
    const hint = "10.0.0.2 asks every 120 s: use `wait 150`";
    expect(bench.wait(30, { seconds: 30 })).toContain(
      `has not asked since; ${hint}. If it is gone`,
    );
    bench.check([60], "10.0.0.2").check([60], "10.0.0.1", "web");
    expect(bench.wait(61, { seconds: 30 })).toBe(
      `error: after 30 s: less than one check interval (120 s) has passed since the change; ${hint}`,
    );
  });

  test("that a status is not what it was when the wait began, and what has changed it", () => {
    const bench = startBench({ services: ["web", "api"] });
    const waits = [{}, { name: "web" }, { name: "api" }].map((of) =>
      bench.at(0).set("DRAIN").begin(30, of),
    );
    bench.at(1).set("UP", "web", "file");
    const changed = 'error: after 1 s: the status of "web" ';
    expect(waits.map((answer) => answer(1))).toEqual([undefined, undefined, undefined]);
    bench.set("DOWN", "web", "file");
    const by = `${changed}is not UP any more: it is DOWN (file)`;
    expect(waits.map((answer) => answer(1))).toEqual([by, by, undefined]);
    bench.at(2).set("UP", undefined, "SIGUSR1");
    expect(waits[2]?.(2)).toBe(
      "error: after 2 s: the host's status is not DRAIN any more: it is UP (SIGUSR1)",
    );
  });

  test("that the service is none any more", () => {
    const bench = startBench({ services: ["web"] });
    const answer = bench.at(0).begin(30, { name: "web" });
    bench.host.remove("web", 1000);
    expect(answer(1)).toBe('error: after 1 s: "web" is no service any more');
  });
});

describe("an open check", () => {
  test("that was written another reply keeps its poller unserved, and so does what it may have read", () => {
    const bench = startBench().at(0).set("DRAIN").check([1, 3], "10.0.0.1", "web");
    expect(bench.wait(4)).toStartWith("ok");
    bench.at(5).set("READY");
    const written = bench.at(5.1).write("10.0.0.1", "web");
    bench.at(5.2).set("DRAIN");
    expect(bench.wait(8)).toContain("has perhaps heard READY 100% 2.9 s ago");
    bench.at(10).close(written, false);
    expect(bench.wait(11)).toContain("has perhaps heard READY 100% 5.9 s ago");
    expect(bench.check([12, 14], "10.0.0.1", "web").wait(15)).toStartWith("ok");
  });
});

describe("strangers are no pollers:", () => {
  test("where nobody else has asked, no load balancer has", () => {
    const bench = new Bench().check([0], "192.0.2.1");
    const nobody = "error: after 0 s: no load balancer has asked";
    expect(bench.wait(5)).toStartWith(nobody);
    expect(bench.wait(20)).toBe(`${nobody}; with \`wait SECONDS 0\` that is no error`);
  });

  test("a person is waited for while he may be a load balancer, and not for longer", () => {
    const bench = startBench().check([0], "192.0.2.1").at(1).set("DRAIN");
    bench.check(every(2, 2, 6), "10.0.0.1", "web");
    expect(bench.wait(9)).toContain("192.0.2.1 (new) was told UP 100% 9 s ago");
    expect(bench.wait(10)).toStartWith("ok served to 1 poller");
  });

  test("a scan is gone after ten seconds", () => {
    const bench = startBench();
    for (let i = 0; i < 20; i += 1) bench.check([0], `192.0.2.${i}`, "", false);
    bench
      .at(0.1)
      .set("DRAIN")
      .check(every(2, 1, 5), "10.0.0.1", "web");
    expect(bench.wait(9)).toContain("20 of 21 load balancers do not know");
    expect(bench.wait(10)).toStartWith("ok served to 1 poller");
  });
});

describe("after a start", () => {
  test("a wait is not ok before ten seconds have passed", () => {
    const bench = new Bench({ age: 0 }).check(every(2, 1, 5), "10.0.0.1");
    expect(bench.wait(9)).toBe(
      "error: after 0 s: the agent has listened for 9 s only, and knows its pollers after 10 s",
    );
    expect(bench.wait(10)).toBe(
      "ok served to 1 poller after 0 s: UP 100%; 10.0.0.1; the agent started 10 s ago: lines slower than 10 s may not be known yet",
    );
    expect(bench.wait(59.9)).toContain("may not be known yet");
    expect(bench.wait(60)).toBe("ok served to 1 poller after 0 s: UP 100%; 10.0.0.1");
  });

  test("nor while somebody may be one, for a minute", () => {
    const bench = new Bench({ age: 0 }).check(every(2, 1, 5), "10.0.0.1");
    bench.check([9, 29], "10.0.0.2").check([30], "10.0.0.1");
    expect(bench.wait(30)).toBe(
      "error: after 0 s: the agent started 30 s ago, and does not know yet whether these are load balancers: 10.0.0.2; `wait SECONDS COUNT` says how many there are",
    );
    expect(bench.check([49], "10.0.0.2").wait(50)).toStartWith("ok served to all of 2 pollers");
    const other = new Bench({ age: 0 }).check(every(2, 1, 5), "10.0.0.1").check([9], "10.0.0.2");
    expect(other.wait(60)).toStartWith("ok served to all of 2 pollers");
  });

  test("a count of pollers replaces that time", () => {
    const bench = new Bench({ age: 0 }).check([0.1, 2], "10.0.0.1");
    expect(bench.wait(2.5, { count: 2 })).toBe("error: after 0 s: only 1 of 2 pollers have asked");
    expect(bench.check([2.6], "10.0.0.2").wait(2.6, { count: 2 })).toStartWith("ok");
    expect(bench.wait(2.6, { count: 1 })).toStartWith("ok");
  });

  test("a count of 0 allows after it that nobody has asked", () => {
    const bench = new Bench({ age: 0 });
    expect(bench.wait(1)).toBe("error: after 0 s: no load balancer has asked");
    const learning = "the agent has listened for 9 s only, and knows its pollers after 10 s";
    expect(bench.wait(9, { count: 0 })).toBe(`error: after 0 s: ${learning}`);
    expect(bench.wait(70, { count: 0 })).toBe("ok after 0 s: UP 100%; no load balancer has asked");
    expect(bench.wait(70)).toStartWith("error: after 0 s: no load balancer has asked");
    bench.check([70, 71, 72], "10.0.0.1").at(73).set("DRAIN");
    expect(bench.wait(79, { count: 0 })).toContain("does not know: 10.0.0.1");
  });
});

describe("with names", () => {
  test("each has to ask twice, and nothing needs to be learned", () => {
    const bench = new Bench({ named: "10.0.0.1 10.0.0.2=2001:db8::2", age: 0 });
    bench.check([0, 2], "10.0.0.1", "a").check([2], "10.0.0.1", "b");
    expect(bench.wait(3)).toBe(
      'error: after 0 s: 2 of 3 load balancers do not know: 10.0.0.1 "b" has asked only once, 1 s ago; 10.0.0.2=2001:db8::2 has never asked. If they are gone: hapgent ctl forget 10.0.0.1; hapgent ctl forget 10.0.0.2',
    );
    bench.check([4], "10.0.0.1", "b").check([2, 4], "2001:db8::2");
    expect(bench.wait(4)).toBe(
      'ok served to all of 3 pollers after 0 s: UP 100%; 10.0.0.1 "a", 10.0.0.1 "b", 2001:db8::2',
    );
  });

  test("of networks those have to be learned that ask", () => {
    const bench = new Bench({ named: "10.0.0.1 10.1.0.0/16", age: 0 });
    bench.check([0, 2], "10.0.0.1");
    expect(bench.wait(3)).toContain("knows its pollers after 10 s");
    expect(bench.wait(11)).toContain("may not be known yet");
  });

  test("one that asks for other services only is nobody to wait for, once that is known", () => {
    const bench = new Bench({ named: "10.0.0.1 10.0.0.2", services: ["web", "api"], age: 0 });
    bench.check([1, 3, 5], "10.0.0.1", "web").check([1], "10.0.0.2", "api");
    const absent =
      'error: after 0 s: 1 of 2 load balancers does not know: 10.0.0.2 may ask for "web" yet. If it is gone: hapgent ctl @web forget 10.0.0.2';
    expect(bench.wait(8, { name: "web" })).toBe(absent);
    bench.check([6], "10.0.0.2", "api");
    expect(bench.wait(15.9, { name: "web" })).toBe(absent);
    expect(bench.wait(16, { name: "web" })).toStartWith("ok served to 1 poller");
  });
});

describe("the stop status", () => {
  function stop(bench: Bench, second: number, seconds: number) {
    const scope = { replies: bench.host, pollers: bench.pollers, name: undefined };
    const now = second * 1000;
    return new Wait({ ...scope, seconds, count: 0, now, isStop: true });
  }

  test("ends when all have it, whatever states change to meanwhile", () => {
    const bench = startBench();
    bench.host.stop("MAINT", 0);
    const wait = stop(bench, 0, 30);
    bench.check([0.1, 2.1], "10.0.0.1", "web").set("DOWN");
    expect(wait.look(4400)).toBeUndefined();
    const end = wait.look(4600);
    expect(end && describeStop(end)).toEqual({ seconds: 4.6, told: 1, untold: undefined });
  });

  test("ends at once where nobody asks, and else with those that were not told", () => {
    const idle = stop(new Bench(), 100, 30).look(100_000);
    expect(idle && describeStop(idle)).toEqual({ seconds: 0, told: 0, untold: undefined });
    const bench = startBench({ named: "10.0.0.1 10.0.0.2" });
    bench.host.stop("MAINT", 0);
    const end = stop(bench, 0, 30).look(30_000);
    expect(end && describeStop(end)).toEqual({
      ...{ seconds: 30, told: 0 },
      untold: '10.0.0.1 "web", 10.0.0.2',
    });
  });
});

describe("forget", () => {
  test("ends the wait for one that is gone, and for all its lines", () => {
    const bench = startBench().check([-8, -6, -4], "10.0.0.2", "a").check([-4], "10.0.0.2", "b");
    bench
      .at(0)
      .set("DRAIN")
      .check(every(2, 0, 16), "10.0.0.1", "web");
    expect(bench.forget(30, "10.0.0.2")).toBe("ok forgotten: 2 pollers of 10.0.0.2");
    expect(bench.wait(30)).toStartWith("ok served to 1 poller");
    expect(bench.forget(30, "10.0.0.2")).toBe('error: no poller has the address "10.0.0.2"');
    expect(bench.forget(30, "web\n")).toBe('error: no poller has the address "web\\n"');
  });

  test("says so when it still asks", () => {
    const bench = startBench().check([-1], "2001:db8::1");
    expect(bench.forget(0, "10.0.0.1")).toBe(
      "ok forgotten: 1 poller of 10.0.0.1; it still asks (2 s ago, every 2 s), and counts again when it does",
    );
    expect(bench.forget(0, "2001:DB8:0::1")).toBe(
      "ok forgotten: 1 poller of 2001:DB8:0::1; it still asks (1 s ago), and counts again when it does",
    );
  });

  test("of a service forgets the lines of that service only", () => {
    const bench = new Bench({ services: ["web", "api"] });
    for (const sent of ["web", "web 2", "api"]) bench.check([-30, -28, -26], "10.0.0.1", sent);
    bench.at(0).set("DRAIN");
    expect(bench.forget(1, "10.0.0.1", "web")).toBe("ok forgotten: 2 pollers of 10.0.0.1");
    expect(bench.forget(1, "10.0.0.1", "web")).toBe(
      'error: no poller of "web" has the address "10.0.0.1"',
    );
    expect(bench.wait(3, { name: "api" })).toContain('10.0.0.1 "api" was told UP 100%');
  });

  test("excuses a named one until it asks again", () => {
    const bench = new Bench({ named: "10.0.0.1 10.0.0.2=10.0.0.3", age: 0 });
    bench.check([1, 3, 5], "10.0.0.1").check([1, 3], "10.0.0.3");
    bench.at(20).set("DRAIN").check([21, 23], "10.0.0.1");
    expect(bench.forget(24, "10.0.0.2")).toBe("ok forgotten: 1 poller of 10.0.0.2");
    expect(bench.wait(24)).toStartWith("ok served to 1 poller");
    expect(bench.show(24)).toMatchObject([{ sent: null, counts: false }, { sent: "" }]);
    bench.check([25], "10.0.0.2");
    expect(bench.wait(25)).toContain("10.0.0.2 has asked only once");
  });

  test("excuses a named one that has never asked, for a service only where it is of one", () => {
    const bench = new Bench({ named: "10.0.0.1 10.0.0.2", services: ["web"], age: 0 });
    bench.check([1, 3, 5], "10.0.0.1", "web");
    expect(bench.forget(6, "10.0.0.2", "web")).toBe(
      "ok forgotten: 10.0.0.2, which has never asked",
    );
    expect(bench.wait(6, { name: "web" })).toStartWith("ok");
    expect(bench.wait(6)).toContain("10.0.0.2 has never asked");
    expect(bench.forget(6, "10.0.0.2")).toStartWith("ok");
    expect(bench.wait(6)).toStartWith("ok");
  });

  test("silent forgets all that have not asked for so long", () => {
    const bench = startBench().check([-80, -70, -60], "10.0.0.2").check([-60], "10.0.0.3", "b");
    expect(bench.forgetSilent(0, 60)).toBe(
      'ok forgotten: 2 pollers silent for 60 s: 10.0.0.2, 10.0.0.3 "b"',
    );
    expect(bench.forgetSilent(0, 60)).toBe("ok forgotten: 0 pollers silent for 60 s");
    expect(bench.forgetSilent(0, 1, "api")).toBe("ok forgotten: 0 pollers silent for 1 s");
    expect(bench.forgetSilent(0, 1)).toEndWith(
      '10.0.0.1 "web"; it still asks (2 s ago, every 2 s), and counts again when it does',
    );
  });

  test("silent excuses named ones too, once they have had that time to ask", () => {
    const bench = new Bench({ named: "10.0.0.1 10.0.0.2 10.0.0.3", age: 0 });
    bench.check([1, 3, 5], "10.0.0.1").check([90, 92, 94], "10.0.0.3");
    expect(bench.forgetSilent(50, 60)).toStartWith("ok forgotten: 0 pollers");
    expect(bench.forgetSilent(95, 60)).toBe(
      "ok forgotten: 2 pollers silent for 60 s: 10.0.0.1, 10.0.0.2",
    );
    expect(bench.wait(95)).toStartWith("ok served to 1 poller");
  });
});
