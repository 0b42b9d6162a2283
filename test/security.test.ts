// Every threat of SECURITY.md names a test that there is.
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { ROOT } from "../scripts/lib/shell.ts";

const TEXT = await Bun.file(`${ROOT}SECURITY.md`).text();
const ROWS = [...TEXT.matchAll(/^\| (.+?) +\|.+\| `([^`]+)`: "([^"]+)" +\|$/gm)];

test("every row of SECURITY.md's table of threats names a test", () => {
  const rows = TEXT.split("\n").filter((line) => /^\| (?!threat|---)/.test(line));
  expect(rows.length).toBeGreaterThan(10);
  expect(ROWS).toHaveLength(rows.length);
});

test.each(ROWS.map(([, threat, file, name]) => ({ threat, file, name })))(
  "$threat: there is that test",
  async ({ file, name }) => {
    const path = `${ROOT}test/${file}.test.ts`;
    expect(existsSync(path)).toBe(true);
    expect(await Bun.file(path).text()).toMatch(new RegExp(`"[^"\\n]*${name}[^"\\n]*"`));
  },
);
