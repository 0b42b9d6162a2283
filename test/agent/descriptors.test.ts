// Connections never take the last descriptors. How many there are is read when connections stay
// open; if these are too many, the oldest are closed. With none left to read it, all are closed.
import { expect, test } from "bun:test";
import { outcome } from "../../scripts/lib/shell.ts";
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

test("a connection that stays open is reason to look, one that has gone is none", async () => {
  const [quiet, busy] = [new Descriptors(), new Descriptors()];
  const provisional = quiet.waitingCaps;
  for (const connection of open(quiet, 1)) quiet.leave(connection);
  open(busy, 1);
  await until("known", () => busy.waitingCaps.refreshing < provisional.refreshing);
  expect(quiet.waitingCaps).toEqual(provisional);
  open(quiet, 1);
  await until("known", () => quiet.waitingCaps.refreshing < provisional.refreshing);
});

test.each([1, 2])(
  "%d clients of the control socket that stay are reason to look, too",
  async (count) => {
    const descriptors = new Descriptors();
    const { refreshing } = descriptors.waitingCaps;
    descriptors.reserveClients(16);
    const clients = Array.from({ length: count }, () => new Connection());
    expect(clients.every((client) => descriptors.admitClient(client))).toBe(true);
    await until("known", () => descriptors.waitingCaps.refreshing < refreshing);
    expect(clients.some(({ isClosed }) => isClosed)).toBe(false);
  },
);

test("a client of the control socket that has gone makes room for another", async () => {
  const descriptors = new Descriptors();
  descriptors.reserveClients(1);
  const [first, second] = [new Connection(), new Connection()];
  expect(descriptors.admitClient(first)).toBe(true);
  expect(descriptors.admitClient(second)).toBe(false);
  descriptors.leaveClient(second);
  descriptors.leaveClient(first);
  expect(descriptors.admitClient(second)).toBe(true);
});

/** What the fixture reports of a scene with so many open files allowed. */
async function report(limit: number, scene: "many" | "none") {
  const fixture = `${import.meta.dir}/descriptors-fixture.ts`;
  const command = ["sh", "-c", `ulimit -n ${limit}; exec "$0" "$@"`, process.execPath];
  const { stdout, stderr } = await outcome([...command, fixture, scene]);
  expect(stderr).toBe("");
  return JSON.parse(stdout) as Record<"others" | "checks" | "clients", number> & {
    closed: number[];
  };
}

test("of 64 open files four are kept; of the others clients and lingering checks get their share", async () => {
  const { others, closed, checks, clients } = await report(64, "many");
  const free = 64 - others - 4;
  expect(clients).toBe(Math.min(16, Math.floor(free / 2)));
  expect(2 * checks + clients).toBeWithin(free - 1, free + 1);
  // The oldest are closed, as many as are too many.
  expect(closed).toEqual(Array.from({ length: 20 - checks }, (_, i) => i));
});

test("with no descriptor left to look at them all are closed, until there are some", async () => {
  const { closed, checks } = await report(64, "none");
  expect(closed).toEqual([0, 1, 2, 3, 4]);
  expect(checks).toBeGreaterThan(1);
});
