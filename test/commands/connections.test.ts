// Connections to a port are those that the kernel lists, over IPv4 and IPv6.
import { expect, test } from "bun:test";
import { until } from "../../scripts/lib/until.ts";
import { readPortUse } from "../../src/commands/connections.ts";

test("a list that the kernel does not have is empty: where IPv6 is off", async () => {
  expect(await readPortUse(80, ["/nowhere/tcp6"])).toEqual({ isListening: false, peers: [] });
});

test.each([
  ["127.0.0.1", ["127.0.0.1"]],
  // An IPv4 client of a socket for both is no IPv6 one.
  ["::", ["127.0.0.1", "::1"]],
])("clients of %s are seen until they are gone", async (hostname, peers) => {
  const server = Bun.listen({ hostname, port: 0, socket: { data() {} } });
  const { port } = server;
  const connect = (host: string) => Bun.connect({ hostname: host, port, socket: { data() {} } });
  const clients = await Promise.all(peers.map(connect));
  const use = await until("all are accepted", async () => {
    const found = await readPortUse(port);
    return found.peers.length === peers.length ? found : undefined;
  });
  expect(use.isListening).toBe(true);
  expect(use.peers.toSorted()).toEqual(peers);
  // The client's own end is none to its port.
  expect(await readPortUse(clients[0]?.localPort ?? 0)).toMatchObject({ isListening: false });
  for (const client of clients) client.end();
  await until("none is left", async () => (await readPortUse(port)).peers.length === 0);
  server.stop(true);
});
