import { expect, test } from "bun:test";
import { until } from "../../scripts/lib/until.ts";
import { Descriptors, share } from "../../src/agent/descriptors.ts";

/** A connection that only knows whether it was closed. */
class Connection {
  isClosed = false;

  terminate(): void {
    this.isClosed = true;
  }
}

/** Opens connections, and tells which of them may stay. */
function open(descriptors: Descriptors, count: number): Connection[] {
  const connections = Array.from({ length: count }, () => new Connection());
  return connections.filter((connection) => descriptors.admit(connection));
}

test.each([
  [1_048_576, 16, { clients: 16, checks: 256 }],
  [1012, 0, { clients: 0, checks: 256 }],
  [20, 16, { clients: 10, checks: 5 }],
  [20, 0, { clients: 0, checks: 10 }],
  [4, 16, { clients: 2, checks: 1 }],
  [1, 16, { clients: 0, checks: 0 }],
  [-4, 16, { clients: 0, checks: 0 }],
])("of %d descriptors, with a wish for %d clients: %j", (free, most, shares) => {
  expect(share(free, most)).toEqual(shares);
});

test("64 connections linger until it is known how many may, then at most 256", async () => {
  const descriptors = new Descriptors();
  expect(open(descriptors, 66)).toHaveLength(64);
  await until("known", () => open(descriptors, 1).length > 0);
  open(descriptors, 300);
  expect(descriptors.lingering).toBe(256);
});

test("a connection that has gone makes room for another", async () => {
  const descriptors = new Descriptors();
  const [first] = open(descriptors, 64);
  if (first) descriptors.leave(first);
  expect(open(descriptors, 2)).toHaveLength(1);
});

test("the control socket has what it asks for, before and after it is known", async () => {
  const descriptors = new Descriptors();
  descriptors.reserveClients(16);
  const clients = Array.from({ length: 17 }, () => new Connection());
  const admitted = clients.filter((client) => descriptors.admitClient(client));
  expect(admitted).toEqual(clients.slice(0, 16));
  await until("known", () => open(descriptors, 65).length > 64);
  expect(descriptors.clientCap).toBe(16);
  expect(admitted.some(({ isClosed }) => isClosed)).toBe(false);
});
