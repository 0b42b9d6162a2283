// - A line is one event, whatever its values hold.
// - What stderr does not take is kept, up to 64 lines, or counted, and the next line that it takes
//   tells the count. What happens to stderr itself is test/faults/stderr.test.ts.
import { expect, spyOn, test } from "bun:test";
import { until } from "../scripts/lib/until.ts";
import { formatLine, log, logged } from "../src/log.ts";

test.each([
  [{ file: "/etc/a.json", tries: 3 }, "hapgent: saved file=/etc/a.json tries=3\n"],
  [{ reply: "UP 50%" }, 'hapgent: saved reply="UP 50%"\n'],
  [{ file: "/a\nhapgent: state" }, 'hapgent: saved file="/a\\nhapgent: state"\n'],
  [{ address: "[::1]:80", reason: undefined }, "hapgent: saved address=[::1]:80\n"],
  [{ reason: "" }, 'hapgent: saved reason=""\n'],
  [{ sent: "\u009b2J", file: "/é\u007f" }, 'hapgent: saved sent="\\u009b2J" file="/é\\u007f"\n'],
])("a line with %j is %j", (fields, line) => {
  expect(formatLine("saved", fields)).toBe(line);
});

test("while stderr takes nothing the first lines are kept, and the others counted", async () => {
  await logged();
  const writes: (PromiseWithResolvers<number> & { lines: Blob })[] = [];
  using _ = spyOn(Bun, "write").mockImplementation(((_: unknown, lines: Blob) => {
    const write = { ...Promise.withResolvers<number>(), lines };
    writes.push(write);
    return write.promise;
  }) as never);
  const written = async (i: number) => {
    const { lines } = await until(`write ${i}`, () => writes[i]);
    return (await lines.text()).split("\n").slice(0, -1);
  };
  const many = Array.from({ length: 66 }, (_, i) => `many ${i}`);
  for (const line of ["first", ...many]) log(line);
  expect(await written(0)).toEqual(["hapgent: first"]);
  writes[0]?.resolve(0);
  const kept = many.slice(0, 64).map((line) => `hapgent: ${line}`);
  expect(await written(1)).toEqual([...kept, "hapgent: lines dropped=2"]);
  // A write that fails has taken none of its lines.
  log("next");
  writes[1]?.reject(new Error("no reader"));
  expect(await written(2)).toEqual(["hapgent: next", "hapgent: lines dropped=66"]);
  log("last");
  writes[2]?.resolve(0);
  expect(await written(3)).toEqual(["hapgent: last"]);
  writes[3]?.resolve(0);
  await logged();
});
