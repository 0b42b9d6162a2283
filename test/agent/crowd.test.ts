// While too many clients are connected, those give way that came first.
import { expect, test } from "bun:test";
import { until } from "../../scripts/lib/until.ts";
import { CROWD_LIMIT, Crowd } from "../../src/agent/crowd.ts";

test("who came last stays, though it had its reply before those that came earlier", async () => {
  const left: number[] = [];
  const crowd = new Crowd<number>((client) => left.push(client));
  const clients = Array.from({ length: CROWD_LIMIT + 2 }, (_, index) => index);
  for (const client of clients) crowd.add(client);
  for (const client of clients.toReversed()) crowd.await(client);
  await until("two too many have left", () => left.length >= 2);
  expect(left).toEqual([0, 1]);
});

test("who waits for the agent, and who has just got its reply, stay, and hold up nobody else", async () => {
  const left: string[] = [];
  const crowd = new Crowd<string>((client) => left.push(client));
  crowd.add("waits for the agent");
  for (let i = 0; i <= CROWD_LIMIT; i += 1) crowd.await(`client ${i}`);
  await until("two too many have left", () => left.length >= 2);
  for (const client of ["client 2", "newcomer"]) crowd.await(client);
  await until("one more has left", () => left.length >= 3);
  expect(left).toEqual(["client 0", "client 1", "client 3"]);
});
