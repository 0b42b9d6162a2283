// With full replies HAProxy ends where the state says, whatever it was told before; only a
// maxconn sticks.
import { expect, test } from "bun:test";
import { STATUSES, type Status } from "../../src/state/state.ts";
import { type Outcome, playMatrix } from "./matrix.ts";

/** Where the server ends with each status, whatever it was told before; READY is in rotation. */
const EXPECTED: Record<Status, Partial<Outcome>> = {
  UP: { admin: "READY", health: "UP" },
  READY: { admin: "READY", health: "UP" },
  DOWN: { admin: "READY", health: "DOWN" },
  FAIL: { admin: "READY", health: "DOWN" },
  STOPPED: { admin: "READY", health: "DOWN" },
  DRAIN: { admin: "DRAIN", health: "UP" },
  // Health counts again when it leaves MAINT, and each reply that ends MAINT tells it.
  MAINT: { admin: "MAINT" },
};

test("with HAPGENT_REPLY=full nothing but a maxconn sticks, from every status to every other", async () => {
  const transitions = await playMatrix({ HAPGENT_REPLY: "full" });
  expect(transitions).toHaveLength(STATUSES.length ** 2);
  const expected = transitions.map(({ from, to }) => {
    const ended = { ...EXPECTED[to], weight: 100 };
    return { from, to, ended, endedLimited: ended };
  });
  expect(transitions).toMatchObject(expected);
});
