import { expect, test } from "bun:test";
import { formatLine } from "../src/log.ts";

test.each([
  [{}, "hapgent: saved\n"],
  [{ file: "/etc/a.json", tries: 3 }, "hapgent: saved file=/etc/a.json tries=3\n"],
  [{ reply: "UP 50%" }, 'hapgent: saved reply="UP 50%"\n'],
  [{ file: "/a\nhapgent: state" }, 'hapgent: saved file="/a\\nhapgent: state"\n'],
  [{ address: "[::1]:80", reason: undefined }, "hapgent: saved address=[::1]:80\n"],
  [{ reason: "" }, 'hapgent: saved reason=""\n'],
])("a line with %j is %j", (fields, line) => {
  expect(formatLine("saved", fields)).toBe(line);
});
