// Lists are tables for people; what is no list stays as it came.
import { expect, test } from "bun:test";
import { formatTable } from "../../src/commands/table.ts";

test("a list of objects is a table, in which objects are columns too", () => {
  const services = [
    { name: "web", state: { status: "UP", weight: 5 }, reply: "ready up 5%" },
    { name: "a-longer-one", state: { status: "MAINT", reason: "\u001b[31m" }, reply: "maint" },
  ];
  expect(formatTable(JSON.stringify(services))).toBe(
    [
      "name          status  weight  reply        reason",
      "web           UP      5       ready up 5%  -",
      "a-longer-one  MAINT   -       maint        \\u001b[31m",
    ].join("\n"),
  );
});

test.each([
  ["[]", "none"],
  ['[{"sent":"","isServed":true,"reply":null}]', "sent  isServed  reply\n-     yes       -"],
  ["ok saved: UP", undefined],
  ["[1]", undefined],
  ["[{]", undefined],
])("of %j is %j", (text, table) => {
  expect(formatTable(text)).toBe(table);
});
