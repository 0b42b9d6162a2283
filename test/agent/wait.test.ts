// What `wait` and `forget` say, to the second: who is not known to have the reply, what that one was
// told and when, and what to type. Whom a wait may trust at all is the simulator's to show.
import { describe, expect, spyOn, test } from "bun:test";
import { Wait } from "../../src/agent/wait.ts";
import { Bench, every } from "./pollers-fixture.ts";

/** An agent that was up for long, and a load balancer that asks every two seconds. */
function startBench(options: ConstructorParameters<typeof Bench>[0] = {}): Bench {
  return new Bench(options).check(every(2, -10, 5), "10.0.0.1", "web");
}

describe("a wait is ok", () => {
  test("after the longest interval, 2.5 s at least: others may look like one", () => {
    const bench = startBench().at(0).set("DRAIN").check([0.1, 2], "10.0.0.1", "web");
    const early = "error: after 0 s: less than one check interval";
    expect(bench.wait(2.4)).toBe(`${early} (2.5 s) has passed since the change`);
    expect(bench.wait(2.5)).toBe('ok served to 1 poller after 0 s: DRAIN; 10.0.0.1 "web"');
    const slow = startBench().check([-11, -6, -1], "10.0.0.2").at(0).set("DRAIN");
    slow.check([1], "10.0.0.1", "web").check([4], "10.0.0.2");
    const hint = "10.0.0.2 asks every 5 s: use `wait 12`";
    expect(slow.wait(4.9)).toBe(`${early} (5 s) has passed since the change; ${hint}`);
    // One check may not show that it was read.
    expect(slow.wait(4.9, { seconds: 11 })).toEndWith(hint);
    expect(slow.wait(4.9, { seconds: 12 })).toEndWith(" has passed since the change");
    expect(slow.wait(5)).toStartWith("ok served to all of 2 pollers");
    // The host's state is in the reply of each of its services.
    const hosted = startBench({ services: ["web"] })
      .at(0)
      .set("DRAIN");
    hosted.check([0.1, 2], "10.0.0.1", "web");
    expect(hosted.wait(2.4, { name: "web" })).toStartWith(early);
  });

  test("as long after the agent listened, whenever it had read its files", () => {
    const bench = new Bench({ named: "10.0.0.1", age: 0, reading: 5 });
    bench.check([0.1, 1.2, 2.3], "10.0.0.1");
    expect(bench.wait(2.4)).toEndWith(
      "less than one check interval (2.5 s) has passed since the change",
    );
    expect(bench.wait(2.5)).toStartWith("ok ");
  });

  test("without those that ask for what never was a service", () => {
    const bench = startBench({ services: ["web"] }).check([-9, -7, -5], "10.0.0.9", "wbe");
    expect(bench.wait(3)).toEndWith(': UP; 10.0.0.1 "web"');
    bench.host.remove("web", 3000);
    expect(bench.wait(6)).toContain('10.0.0.1 "web" was told UP 8 s ago');
  });

  test("and names strangers that ask like load balancers, also where it is an error", () => {
    const bench = startBench({ named: "10.0.0.1" });
    bench.check(every(2, -9, 3), "10.0.0.44").check([-9, -8, -7], "10.0.0.45", "web");
    // Three checks within a second are one.
    bench.check([-1.8, -1.4, -1], "10.0.0.46");
    const note = '; not counted: 10.0.0.44, asks every 2 s; 10.0.0.45 "web", asks every 1 s';
    expect(bench.wait(2.5)).toBe(`ok served to 1 poller after 0 s: UP; 10.0.0.1 "web"${note}`);
    expect(bench.at(2.5).set("DRAIN").wait(2.6)).toEndWith(note);
    expect(bench.wait(60)).not.toContain("not counted");
  });

  test("soon after a start with a note, and an error while somebody may be a load balancer", () => {
    const bench = new Bench({ age: 0 }).check(every(2, 1, 5), "10.0.0.1");
    const early = "listened for 9.9 s only, and knows its pollers after 10 s";
    expect(bench.wait(9.9)).toEndWith(early);
    expect(bench.wait(9.9, { count: 0 })).toEndWith(early);
    expect(bench.wait(10)).toBe(
      "ok served to 1 poller after 0 s: UP; 10.0.0.1; the agent started 10 s ago: lines slower than 10 s may not be known yet",
    );
    expect(bench.wait(60)).toBe("ok served to 1 poller after 0 s: UP; 10.0.0.1");
    bench.check([9, 29], "10.0.0.2").check([30], "10.0.0.1");
    expect(bench.wait(30)).toBe(
      "error: after 0 s: the agent started 30 s ago, and does not know yet whether these are load balancers: 10.0.0.2; `wait SECONDS COUNT` says how many there are",
    );
    expect(bench.wait(30, { count: 3 })).toBe("error: after 0 s: only 2 of 3 pollers asked");
    expect(bench.wait(30, { count: 2 })).toStartWith("ok served to all of 2 pollers");
    expect(bench.check([49], "10.0.0.2").wait(50)).toStartWith("ok served to all of 2 pollers");
  });

  test("where a network is named only once the agent knows who asks from there", () => {
    const bench = new Bench({ named: "10.0.0.1 10.1.0.0/16", age: 0 });
    bench.check([0, 2], "10.0.0.1");
    expect(bench.wait(3)).toContain("knows its pollers after 10 s");
    expect(bench.wait(11)).toStartWith("ok served to 1 poller");
  });
});

describe("an error says", () => {
  test("load balancers before those that may be some", () => {
    const bench = new Bench({ age: 0 });
    for (let i = 0; i < 9; i += 1) bench.check([0.3], `10.0.9.${i}`);
    bench.check(every(1, 1, 7), "10.0.0.1").set("DRAIN");
    expect(bench.wait(12, { seconds: 5 })).toStartWith(
      "error: after 5 s: 10 of 10 load balancers do not know: 10.0.0.1 was told UP ",
    );
  });

  test.each([
    [[0], "If it is gone: hapgent ctl forget 10.0.1.0"],
    [[0, 1], "If they are gone: hapgent ctl forget 10.0.1.0; hapgent ctl forget 10.0.1.1"],
    [every(1, 0, 10), "and 2 more. If they are gone: hapgent ctl forget silent 50"],
  ])("of silent ones %j which command goes on, and names eight", (indices, end) => {
    const bench = startBench();
    for (const i of indices) bench.check([-3, -2, -1], `10.0.1.${i}`);
    bench.at(0).set("DRAIN").check([48], "10.0.0.1", "web");
    const answer = bench.wait(49) ?? "";
    expect(answer).toEndWith(end);
    expect(answer.match(/10\.0\.1\.\d was told UP 50 s ago and has not asked since/g)).toHaveLength(
      Math.min(8, indices.length),
    );
  });

  test("of many that have never asked how the first are forgotten: none has been silent since", () => {
    const bench = new Bench({ named: "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4" });
    expect(bench.wait(1)).toEndWith(
      "If they are gone: hapgent ctl forget 10.0.0.1; hapgent ctl forget 10.0.0.2; hapgent ctl forget 10.0.0.3; ...",
    );
  });

  test("of one that asks and gets nothing what it was sent", () => {
    const bench = startBench().at(0).set("DRAIN").check([0, 2], "10.0.0.1", "web", false);
    expect(bench.wait(3)).toBe(
      'error: after 0 s: 1 of 1 load balancer does not know: 10.0.0.1 "web" was told UP 5 s ago, and has perhaps heard DRAIN 1 s ago. If it is gone: hapgent ctl forget 10.0.0.1',
    );
    const never = new Bench().check([0, 1, 2], "10.0.0.2", "", false);
    expect(never.wait(3)).toEndWith(
      ": 10.0.0.2 (new) asked 1 s ago, was sent UP and has perhaps never heard it. If it is no load balancer: hapgent ctl forget 10.0.0.2 (for good: HAPGENT_POLLERS names those that are)",
    );
  });

  test("that others behind an address may not know, where all are silent since the change", () => {
    const several = every(1, -10, 10).flatMap((at) => [at, at + 0.2]);
    const [alike, one] = [several, every(1, -10, 10)].map((seconds) =>
      new Bench().check(seconds, "10.0.0.1").at(0).set("DRAIN").check([0.1], "10.0.0.1"),
    );
    expect(alike?.wait(2.6)).toContain(
      ": 10.0.0.1 asked 2.5 s ago and not since, so that others behind this address may not know. ",
    );
    expect(one?.wait(2.6)).toStartWith("ok");
  });

  test("that others may not know yet, where one was silent; later silences hold nothing up", () => {
    const make = () =>
      new Bench()
        .check(every(0.5, -10, 20), "10.0.0.1")
        .at(0)
        .set("DRAIN");
    const early =
      "error: after 0 s: less than 2.5 s have passed since 10.0.0.1 asked again after a silence: others behind this address may not know";
    const bench = make().check(every(0.5, 2, 5), "10.0.0.1");
    expect(bench.wait(4.4)).toBe(early);
    expect(bench.wait(4.5)).toStartWith("ok");
    bench.check([...every(0.5, 4.5, 20), 16], "10.0.0.1");
    expect(bench.wait(16)).toStartWith("ok");
    // In between one may not have asked at all.
    const again = make().check([2, 2.5, 3, ...every(0.5, 7, 5)], "10.0.0.1");
    expect(again.wait(9.4)).toBe(early);
    expect(again.wait(9.5)).toStartWith("ok");
  });

  test("that the agent stops: all have its stop status then, and not what the wait is about", () => {
    const bench = new Bench({ named: "10.0.0.1" }).check([0, 2, 4], "10.0.0.1").set("READY");
    bench.host.answerWhileStopping("DOWN", 5000);
    bench.check([6, 8], "10.0.0.1");
    expect(bench.wait(8, { seconds: 2 })).toBe(
      "error: after 2 s: the agent stops, and answers DOWN until it is gone",
    );
  });

  test("that no load balancer has asked, where only a person has", () => {
    const bench = new Bench().check([0], "10.0.0.9");
    expect(bench.wait(3)).toBe(
      "error: after 0 s: no load balancer has asked; with `wait SECONDS 0` that is no error",
    );
    const early = "has listened for 1 s only, and knows its pollers after 10 s";
    expect(new Bench({ age: 0 }).wait(1)).toEndWith(early);
  });

  test("of a named one that it has to ask twice, and perhaps for this service yet", () => {
    const named = "10.0.0.1 10.0.0.2=2001:db8::2";
    const bench = new Bench({ named, age: 0, services: ["web", "api"] });
    bench.check([0, 2, 4], "10.0.0.1", "web").check([4], "10.0.0.1", "web 2");
    expect(bench.wait(4)).toBe(
      'error: after 0 s: 2 of 3 load balancers do not know: 10.0.0.1 "web 2" has asked only once, 0 s ago; 10.0.0.2=2001:db8::2 has never asked. If they are gone: hapgent ctl forget 10.0.0.1; hapgent ctl forget 10.0.0.2',
    );
    bench.check([6], "10.0.0.1", "web 2").check([2], "2001:db8::2", "api");
    const absent =
      'error: after 0 s: 1 of 3 load balancers does not know: 10.0.0.2=2001:db8::2 may ask for "web" yet. If it is gone: hapgent ctl @web forget 10.0.0.2';
    expect(bench.wait(8, { name: "web" })).toBe(absent);
    bench.check([7, 12], "2001:db8::2", "api");
    // Its time to ask is the time for which it asks, not that in which it is silent.
    expect(bench.wait(100, { name: "web" })).toBe(absent);
    bench.check([17], "2001:db8::2", "api");
    expect(bench.wait(17, { name: "web" })).toStartWith("ok served to all of 2 pollers");
  });
});

test("a wait looks at all pollers, the more rarely the more there are", () => {
  const bench = new Bench();
  for (let i = 0; i < 1000; i += 1) bench.check([0, 1, 2], `10.0.${i >> 8}.${i & 255}`);
  const { host, pollers } = bench.at(3).set("DRAIN");
  const options = { host, pollers, name: undefined, count: undefined, seconds: 600 };
  const wait = new Wait({ ...options, now: 3000 });
  using asked = spyOn(host, "replyTo");
  const look = (at: number) => {
    asked.mockClear();
    const end = wait.look(at);
    return [end?.problem ?? "goes on", asked.mock.calls.length > 0];
  };
  const looks = [3000, 3400, 3499, 3500, 3600].map((at) => look(at)[1]);
  expect(looks).toEqual([true, false, false, true, false]);
  // Also where replies change all the time; but at once where its time is over.
  bench.host.put(undefined, { status: "DRAIN", weight: 1 }, "socket", 3610);
  expect([look(3610), look(4000)].map(([, hasLooked]) => hasLooked)).toEqual([false, true]);
  expect(look(603_000)).toEqual(["missing", true]);
});

describe("forget", () => {
  test("ends the wait for all lines of one that is gone, and says so when it still asks", () => {
    const bench = startBench().check([-8, -6, -4], "2001:db8::2", "a");
    bench.check([-4], "2001:db8::2", "b").at(0).set("DRAIN");
    bench.check(every(2, 0, 16), "10.0.0.1", "web");
    const asks = "it still asks (0 s ago, every 2 s), and counts again when it does";
    expect(bench.forget(30, "2001:DB8:0::2")).toBe("ok forgotten: 2 pollers of 2001:DB8:0::2");
    expect(bench.wait(30)).toStartWith("ok served to 1 poller");
    expect(bench.forget(30, "10.0.0.1")).toBe(`ok forgotten: 1 poller of 10.0.0.1; ${asks}`);
    bench.check([29], "10.0.0.3");
    expect(bench.forget(30, "10.0.0.3")).toBe(
      "ok forgotten: 1 poller of 10.0.0.3; it still asks (1 s ago), and counts again when it does",
    );
    expect(bench.forget(30, "web\n")).toBe('error: no poller has the address "web\\n"');
  });

  test("is for good for one whose check was open meanwhile: who asks then is new", () => {
    const bench = new Bench().check([0, 1], "10.0.0.1", "web", false);
    const written = bench.at(2).write("10.0.0.1", "web");
    bench.forget(2, "10.0.0.1");
    bench.check([3], "10.0.0.1", "web", false);
    written.end("web", true, 3000);
    expect(bench.show(3)).toMatchObject([{ since: "1970-01-01T00:00:03.000Z", why: "new" }]);
  });

  test("excuses a named one until it asks again, for a service only where it is of one", () => {
    const bench = new Bench({
      named: "10.0.0.1 10.0.0.2=10.0.0.3",
      age: 0,
      services: ["web", "api"],
    });
    bench
      .check([1, 3, 5], "10.0.0.1", "web")
      .at(20)
      .set("DRAIN")
      .check([21, 23], "10.0.0.1", "web");
    const never = "ok forgotten: 10.0.0.2, which has never asked";
    expect(bench.forget(24, "10.0.0.2", "web")).toBe(never);
    expect(bench.wait(24, { name: "web" })).toStartWith("ok served to 1 poller");
    expect(bench.wait(24)).toContain("10.0.0.2=10.0.0.3 has never asked");
    expect(bench.forget(24, "10.0.0.2")).toBe(never);
    expect(bench.wait(24)).toStartWith("ok served to 1 poller");
    expect(bench.show(24)[0]).toMatchObject({ sent: null, counts: false });
    bench.check([25], "10.0.0.3", "api");
    expect(bench.wait(25)).toContain('10.0.0.3 "api" has asked only once');
    expect(bench.wait(25, { name: "web" })).toContain('10.0.0.2=10.0.0.3 may ask for "web" yet');
    expect(bench.forget(26, "10.0.0.2")).toStartWith("ok forgotten: 1 poller of 10.0.0.2; ");
    expect(bench.wait(26)).toStartWith("ok served to 1 poller");
  });

  test("silent forgets all that have not asked for so long", () => {
    const bench = startBench().check([-80, -70, -60], "10.0.0.2").check([-60], "10.0.0.3", "b");
    bench.check([-1], "10.0.0.3", "c");
    expect(bench.forgetSilent(0, 60)).toBe(
      'ok forgotten: 2 pollers silent for 60 s: 10.0.0.2, 10.0.0.3 "b"',
    );
    expect(bench.forget(0, "10.0.0.3")).toStartWith("ok forgotten: 1 poller of 10.0.0.3; ");
    expect(bench.forgetSilent(0, 1, "api")).toBe("ok forgotten: 0 pollers silent for 1 s");
    expect(bench.forgetSilent(0, 1)).toEndWith(
      '10.0.0.1 "web"; it still asks (2 s ago, every 2 s), and counts again when it does',
    );
  });

  test("by HAPGENT_FORGET comes while a wait goes on, too", () => {
    const bench = startBench({ forget: 60 }).check([-8, -6, -4], "10.0.0.2").at(0).set("DRAIN");
    bench.check([0, 54], "10.0.0.1", "web");
    expect(bench.wait(55, { seconds: 30 })).toContain("10.0.0.2 was told UP 59 s ago");
    expect(bench.wait(57, { seconds: 30 })).toStartWith("ok served to 1 poller");
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
