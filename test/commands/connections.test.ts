// Connections to a port are those that the kernel lists, over IPv4 and IPv6.
import { expect, test } from "bun:test";
import { until } from "../../scripts/lib/until.ts";
import { readPortUse } from "../../src/commands/connections.ts";

test("nothing listens on a port that nobody has", async () => {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  server.stop(true);
  expect(await readPortUse(server.port)).toEqual({ isListening: false, peers: [] });
});

test("a list that the kernel does not have is empty: where IPv6 is off", async () => {
  expect(await readPortUse(80, ["/nowhere/tcp6"])).toEqual({ isListening: false, peers: [] });
});

test.each([
  ["127.0.0.1", ["127.0.0.1"], ["127.0.0.1"]],
  ["::1", ["::1"], ["::1"]],
  // An IPv4 client of a socket for both is no IPv6 one.
  ["::", ["127.0.0.1", "::1"], ["127.0.0.1", "::1"]],
])("clients of %s are seen until they are gone", async (hostname, from, peers) => {
  const server = Bun.listen({ hostname, port: 0, socket: { data() {} } });
  const { port } = server;
  const connect = (host: string) => Bun.connect({ hostname: host, port, socket: { data() {} } });
  const clients = await Promise.all(from.map(connect));
  await until(
    "all are accepted",
    async () => (await readPortUse(port)).peers.length === from.length,
  );
  const { isListening, peers: seen } = await readPortUse(port);
  expect({ isListening, seen: seen.toSorted() }).toEqual({ isListening: true, seen: peers });
  for (const client of clients) client.end();
  await until("none is left", async () => (await readPortUse(port)).peers.length === 0);
  server.stop(true);
});

test("the client's own end of a connection is none to its port", async () => {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const client = await Bun.connect({
    hostname: "127.0.0.1",
    port: server.port,
    socket: { data() {} },
  });
  expect(await readPortUse(client.localPort)).toMatchObject({ isListening: false });
  client.end();
  server.stop(true);
});
