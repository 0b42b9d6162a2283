// What a check sends names a service up to its first space; a probe's mark does not count.
import { expect, test } from "bun:test";
import { nameIn } from "../src/sent.ts";

test.each([
  ["", ""],
  ["web", "web"],
  ["web 1", "web"],
  ["#hapgent:web", "web"],
  ["#hapgent:", ""],
  [" web", " web"],
])("of %j it is %j", (sent, name) => {
  expect(nameIn(sent)).toBe(name);
});
