// Every threat of SECURITY.md names a test that there is.
import { expect, test } from "bun:test";
import { ROOT } from "../scripts/lib/shell.ts";

const TEXT = await Bun.file(`${ROOT}SECURITY.md`).text();

test.each(TEXT.match(/^\| (?!threat|---).*$/gm) ?? [])("%s", async (row) => {
  const [, file, name] = /\| `([^`]+)`: "([^"]+)" +\|$/.exec(row) ?? [];
  const text = await Bun.file(`${ROOT}test/${file}.test.ts`).text();
  expect(text).toMatch(new RegExp(`"[^"\\n]*${name}[^"\\n]*"`));
});
