// Who asks is known by its address and what it sends, and was served when it closed after the whole
// reply. The simulator plays the rules about who counts.
import { describe, expect, test } from "bun:test";
import { until } from "../../scripts/lib/until.ts";
import { Connection } from "./connection.ts";
import { ask, command, HOST, show, start, testHere } from "./driver.ts";
import { stopTimers, turn } from "./here.ts";

describe("who asks", () => {
  test("is an address and what it sends, and was served when it closed after the whole reply", async () => {
    await using agent = await start({ socket: true });
    await ask(agent, "web\n", "127.0.0.2");
    await ask(agent, "web 2\r\nmore", "127.0.0.2");
    await ask(agent, "", "127.0.0.3");
    // A probe of our own is nobody.
    for (const sent of ["#hapgent:", "#hapgent:web\n"]) expect(await ask(agent, sent)).toBe("UP\n");
    const place = { host: HOST, port: agent.port, localAddress: "127.0.0.4" };
    using reset = await Connection.open(place);
    expect(await reset.lines()).toEqual(["UP"]);
    reset.socket.resetAndDestroy();
    await until("all have closed", async () => (await show(agent, "pollers")).length === 4);
    const pollers: Record<string, unknown>[] = await show(agent, "pollers");
    const since = expect.stringMatching(/^\d{4}-/);
    expect(pollers[0]).toMatchObject({ since, interval: null, counts: true, why: "new" });
    const words = ["address", "sent", "reply", "perhaps", "isServed"];
    expect(pollers.map((each) => words.map((word) => each[word]).join(" ")).toSorted()).toEqual([
      ...["127.0.0.2 web 2 UP  true", "127.0.0.2 web UP  true", "127.0.0.3  UP  true"],
      "127.0.0.4   UP false",
    ]);
  });

  // A reply waits for a timer: so nothing is written before the client has ended.
  testHere("is nobody when it ends its side before it has a reply, or resets", async () => {
    await using agent = await start({ socket: true });
    const place = { host: HOST, port: agent.port };
    {
      using timers = stopTimers();
      using scan = await Connection.open(place, "web\n");
      scan.end();
      await turn();
      expect(scan.text).toBe("UP\n");
      (await Connection.open(place, "web\n")).socket.resetAndDestroy();
      await turn();
      await timers.pass(10);
    }
    expect(await show(agent, "pollers")).toEqual([]);
  });

  testHere("is known by what it sent while the agent was busy, before it closes", async () => {
    await using agent = await start({ socket: true });
    using stack = new DisposableStack();
    {
      using timers = stopTimers();
      const open = stack.use(await Connection.open({ host: HOST, port: agent.port }));
      await turn();
      open.send("web\n");
      // The timer of the reply comes before anything is read.
      Bun.sleepSync(5);
      await timers.pass(2);
      await timers.pass(10);
    }
    expect(await show(agent, "pollers")).toMatchObject([{ sent: "web", isServed: false }]);
  });

  testHere("gets its reply 2 ms later, with its end, beside 300 silent clients", async () => {
    await using agent = await start({ socket: true });
    await ask(agent, "web\n");
    const place = { host: HOST, port: agent.port };
    using stack = new DisposableStack();
    {
      using timers = stopTimers();
      for (let i = 0; i < 300; i += 1) stack.use(await Connection.open(place));
      const check = stack.use(await Connection.open(place, "web\n"));
      await turn();
      expect(check.text).toBe("");
      await timers.pass(2);
      await turn();
      expect([check.text, check.ended]).toEqual(["UP\n", "half"]);
      // The agent closes the oldest.
      await timers.pass(30);
    }
    await command(agent, "set status DRAIN");
    stack.dispose();
    await until("nobody is in doubt what the next check has heard", async () => {
      await ask(agent, "web\n");
      const pollers: Record<string, unknown>[] = await show(agent, "pollers");
      return pollers.some(({ sent, isServed }) => sent === "web" && isServed);
    });
  });

  // A load balancer that is busy, or a lossy link, may take longer than its time to name a service.
  test("may have heard the host's reply where the name of its service is late", async () => {
    const services = { web: '{"status":"DRAIN"}' };
    await using agent = await start({ socket: true, services });
    const place = { host: HOST, port: agent.port, localAddress: "127.0.0.1" };
    const read = async () => (await show(agent, "pollers"))[0];
    await until("it is known", async () => {
      await ask(agent, "web\n");
      return (await read())?.isServed;
    });
    using late = await Connection.open(place);
    expect(await late.lines()).toEqual(["ready up 100%"]);
    const perhaps = ["up drain 100%", "ready up 100%"];
    expect(await read()).toMatchObject({ sent: "web", perhaps, isServed: false });
    late.end("web\n");
    await until("the next check is served", async () => {
      await ask(agent, "web\n");
      return (await read()).isServed;
    });
  });

  // A lossy link may hold back the end of a check until the next one is over.
  test("was told what was written last, whenever it closes", async () => {
    await using agent = await start({ socket: true });
    const find = async () => (await show(agent, "pollers"))[0];
    await until("it is known", async () => {
      await ask(agent);
      return (await find())?.isServed;
    });
    using early = await Connection.open({ host: HOST, port: agent.port });
    await early.lines();
    await command(agent, "set status DRAIN");
    await ask(agent);
    await until("the last is served", async () => {
      const { perhaps } = await find();
      return perhaps?.join() === "DRAIN,UP";
    });
    early.end();
    await until("both are served", async () => !(await find()).perhaps);
    expect(await find()).toMatchObject({ reply: "DRAIN", isServed: true });
  });

  test("is known by IPv4 also where the agent listens on both", async () => {
    await using agent = await start({ socket: true, hostname: "::" });
    await ask({ ...agent, hostname: "127.0.0.1", port: agent.port } as typeof agent);
    expect(await show(agent, "pollers")).toMatchObject([{ address: "127.0.0.1" }]);
  });
});
