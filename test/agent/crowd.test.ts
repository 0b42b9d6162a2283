// While too many clients are connected, those give way that came first.
import { expect, test } from "bun:test";
import { until } from "../../scripts/lib/until.ts";
import { CROWD_LIMIT, Crowd } from "../../src/agent/crowd.ts";
import { stopTimers } from "../contract/here.ts";

/** Clients, each with its index, and who of them gave way. */
function makeClients(count: number) {
  const left: number[] = [];
  const clients = Array.from({ length: count }, (_, i) => ({ giveWay: () => void left.push(i) }));
  return { left, clients, crowd: new Crowd() };
}

test("who came last stays, though it had its reply before those that came earlier", async () => {
  const { left, clients, crowd } = makeClients(CROWD_LIMIT + 2);
  using timers = stopTimers();
  for (const client of clients) crowd.add(client);
  for (const client of clients.toReversed()) crowd.await(client);
  // An honest client has the time of two turns at least.
  await timers.pass(20);
  expect(left).toEqual([]);
  await timers.pass(10);
  expect(left).toEqual([0, 1]);
});

test("who waits for the agent, and who has just got its reply, stay, and hold up nobody else", async () => {
  const { left, clients, crowd } = makeClients(CROWD_LIMIT + 3);
  for (const client of clients.slice(0, -1)) crowd.add(client);
  for (const client of clients.slice(1, -1)) crowd.await(client);
  await until("two too many have left", () => left.length >= 2);
  for (const client of [...clients.slice(3, 4), ...clients.slice(-1)]) crowd.await(client);
  await until("one more has left", () => left.length >= 3);
  expect(left).toEqual([1, 2, 4]);
});
