// The runner of tests says no more than is needed, and never takes for good what is not:
// - a file that passes is one line, whatever it wrote;
// - of a file that fails all that it wrote is shown;
// - a skipped test, a file without tests and a file that cannot be loaded have failed.
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { runFiles } from "../scripts/lib/suite.ts";
import { temporaryDirectory } from "../scripts/lib/temporary.ts";

const HEAD = 'import { expect, test } from "bun:test";\n';
const PASSES = 'test("passes", () => expect(1).toBe(1));\n';

/** Runs a file with this text, and returns the counts and what was shown. */
async function runText(text: string, showsOutput = false) {
  using directory = temporaryDirectory();
  const file = `${directory.path}/some.test.ts`;
  writeFileSync(file, HEAD + text);
  const lines: string[] = [];
  const print = (line: string) => lines.push(line);
  const result = await runFiles([file], { showsOutput, print });
  const shown = lines
    .join("\n")
    .replaceAll(file, "FILE")
    .replaceAll(/[\d.]+ m?s\b/g, "TIME");
  return { ...result, shown };
}

test("a file that passes is one line, and what it printed is shown only when asked for", async () => {
  const noisy = `${PASSES}console.log("measured 5"); console.error("agent's log");`;
  const ok = "  ok   FILE: 1 passed, 0 failed, TIME";
  expect(await runText(noisy)).toEqual({ passed: 1, failed: 0, shown: ok });
  expect((await runText(noisy, true)).shown).toBe(`${ok}\n       measured 5`);
});

test("a file that fails shows all that it wrote", async () => {
  const text = `${PASSES}test("fails", () => {
    console.log("measured 5"); console.error("agent's log"); expect(1).toBe(2); });`;
  const { passed, failed, shown } = await runText(text);
  expect({ passed, failed }).toEqual({ passed: 1, failed: 1 });
  expect(shown).toStartWith("  FAIL FILE: 1 passed, 1 failed, TIME\n");
  for (const part of ["measured 5", "agent's log", "(fail) fails", "Expected: 2", "Received: 1"]) {
    expect(shown).toContain(part);
  }
});

test.each([
  ["a skipped test", `${PASSES}test.skip("later", () => undefined);`, 1],
  ["a test to do", `${PASSES}test.todo("later");`, 1],
  ["no test", "expect(1).toBe(1);", 0],
  ["an error outside of its tests", `${PASSES}throw new Error("broken");`, 0],
  ["an import that is not there", `import "./nowhere.ts";\n${PASSES}`, 0],
  ["an early end", `${PASSES}process.exit(0);`, 0],
])("a file with %s has failed", async (_, text, passed) => {
  const result = await runText(text);
  expect({ passed: result.passed, failed: result.failed }).toEqual({ passed, failed: 1 });
  expect(result.shown).toStartWith("  FAIL FILE");
});
