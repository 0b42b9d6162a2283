// A check is a connection: whatever its client sends, the reply is one line, and the connection is
// closed without a reset. Clients that send anything, close early or never close disturb nobody.
import { describe, expect, test } from "bun:test";
import { until } from "../../scripts/lib/until.ts";
import { Connection } from "./connection.ts";
import { ask, converse, HOST, type Options, start } from "./driver.ts";

/** Each kind of agent does something else between a check's opening and its reply. */
const KINDS: [string, Options][] = [
  ["an agent", {}],
  ["an agent that watches its file", { env: { HAPGENT_WATCH: "on" } }],
  ["an agent that remembers pollers", { socket: true }],
  ["an agent of services", { services: {}, env: { HAPGENT_REPLY: "exact" } }],
  [
    "an agent with all of it",
    { services: {}, socket: true, env: { HAPGENT_REPLY: "exact", HAPGENT_WATCH: "on" } },
  ],
];

describe.each(KINDS)("%s", (_, options) => {
  test.each(["", "\n", "\r\nmore", "\n".padEnd(100_000, "x")])(
    "answers one that sends %j",
    async (payload) => {
      await using agent = await start(options);
      // Where nothing is sent that could name a service, it takes a quarter of a second.
      const count = payload === "" ? 3 : 20;
      for (let i = 0; i < count; i += 1) expect(await ask(agent, payload)).toBe("UP\n");
    },
  );

  test("answers one whose client closes its half at once", async () => {
    await using agent = await start(options);
    for (let i = 0; i < 20; i += 1) {
      using client = await Connection.open({ host: HOST, port: agent.port });
      client.end();
      expect(await client.rest()).toBe("UP\n");
    }
  });

  test("discards what comes after its reply, and resets nobody for it", async () => {
    await using agent = await start(options);
    for (let i = 0; i < 20; i += 1) {
      await converse({ host: HOST, port: agent.port }, "\n", async (client) => {
        await until("the reply", () => client.ended !== "no");
        client.end("x".repeat(100_000));
        await until("its end", () => client.ended !== "half");
        expect(client.text).toBe("UP\n");
      });
    }
  });
});

test.concurrent.each(KINDS)(
  "%s answers, however many clients never close, and closes those",
  async (_, options) => {
    await using agent = await start(options);
    const place = { host: HOST, port: agent.port, localAddress: "127.0.0.6" };
    // The oldest give way, some before they see that they are connected.
    const open = () => Connection.open(place).catch(() => undefined);
    const clients = await Promise.all(Array.from({ length: 320 }, open));
    for (let i = 0; i < 20; i += 1) expect(await ask(agent, "\n")).toBe("UP\n");
    await until("all are closed", async () => {
      await Bun.sleep(500);
      // What is sent to a closed connection is answered by a reset.
      for (const client of clients) client?.send("x");
      return clients.every((client) => client === undefined || client.socket.destroyed);
    });
  },
);

test("an agent answers over IPv6", async () => {
  await using agent = await start({ hostname: "::1" });
  expect(await ask(agent)).toBe("UP\n");
  expect(agent.log[0]).toContain(" address=[::1]:");
});
