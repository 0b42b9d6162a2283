// The runner of tests never takes for good what is not: a skipped test, a file without tests and a
// file that cannot be loaded have failed.
import { expect, spyOn, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { runFiles } from "../scripts/lib/suite.ts";
import { temporaryDirectory } from "../scripts/lib/temporary.ts";

const PASSES =
  'import { expect, test } from "bun:test";\ntest("passes", () => expect(1).toBe(1));\n';

test.each([
  ["fails", `${PASSES}test("fails", () => expect(1).toBe(2));`, 1, 1],
  ["skips a test", `${PASSES}test.skip("later", () => undefined);`, 1, 1],
  ["has no test", "", 0, 1],
  ["throws outside of its tests", `${PASSES}throw new Error("broken");`, 0, 1],
  ["imports what is not there", `import "./nowhere.ts";\n${PASSES}`, 0, 1],
  ["ends early", `${PASSES}process.exit(0);`, 0, 1],
])("of a file that %s the counts are right", async (_, text, passed, failed) => {
  using directory = temporaryDirectory();
  const file = `${directory.path}/some.test.ts`;
  writeFileSync(file, text);
  using silent = spyOn(console, "log").mockImplementation(() => undefined);
  expect(await runFiles([file])).toEqual({ passed, failed });
  expect(silent).toHaveBeenCalled();
});
