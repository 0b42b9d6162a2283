// The table of what sticks in deploy/haproxy is what a real HAProxy does.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { ROOT } from "../../scripts/lib/shell.ts";
import { formatMatrix, LIMITS, playMatrix } from "./matrix.ts";

test("the table of what sticks is what a real HAProxy does; weight and maxconn always stick", async () => {
  const transitions = await playMatrix();
  expect(readFileSync(`${ROOT}deploy/haproxy/README.md`, "utf8")).toContain(
    formatMatrix(transitions),
  );
  const limits = transitions.map(({ ended, endedLimited }) => [ended, endedLimited]);
  const expected = [{ weight: 100, maxconn: 500 }, LIMITS];
  expect(limits).toMatchObject(transitions.map(() => expected));
});
