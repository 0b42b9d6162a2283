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
  // The agent has 7 or 8 open when nobody is connected.
  [1_048_576, 8, 16, { clients: 16, checks: 256 }],
  [1024, 7, 0, { clients: 0, checks: 256 }],
  [1024, 1000, 16, { clients: 10, checks: 5 }],
  [32, 7, 0, { clients: 0, checks: 10 }],
  [32, 8, 16, { clients: 10, checks: 5 }],
  [16, 8, 16, { clients: 2, checks: 1 }],
  [12, 7, 0, { clients: 0, checks: 0 }],
  [8, 7, 16, { clients: 0, checks: 0 }],
])(
  "of %d descriptors, with %d open and a wish for %d clients: %j",
  (limit, opened, most, shares) => {
    expect(share({ limit, open: opened, most })).toEqual(shares);
  },
);

test("four connections linger until it is known how many may, then at most 256", async () => {
  const descriptors = new Descriptors();
  expect(open(descriptors, 6)).toHaveLength(4);
  await until("known", () => open(descriptors, 1).length > 0);
  open(descriptors, 300);
  expect(descriptors.lingering).toBe(256);
});

test("a connection that has gone makes room for another", async () => {
  const descriptors = new Descriptors();
  const [first] = open(descriptors, 4);
  if (first) descriptors.leave(first);
  expect(open(descriptors, 2)).toHaveLength(1);
});

test("the control socket gets what it asks for, and the limit is known from then on", async () => {
  const descriptors = new Descriptors();
  expect(await descriptors.reserveClients(16)).toBe(16);
  expect(open(descriptors, 300)).toHaveLength(256);
});
