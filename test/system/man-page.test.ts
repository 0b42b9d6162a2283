// The man page shows its examples as one types them, when man renders it.
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { outcome, ROOT } from "../../scripts/lib/shell.ts";
import { EXAMPLES } from "../../src/spec.ts";

test("every example is shown as one types it, its quotes too", async () => {
  const page = `${ROOT}deploy/man/hapgent.8`;
  const command = ["groff", "-man", "-Tascii", "-P-c", "-P-b", "-P-u", page];
  const { stdout, exitCode } = await outcome(command);
  expect(exitCode).toBe(0);
  const lines = stdout.split("\n").map((line) => line.trim());
  expect(EXAMPLES.map(({ term }) => term).filter((term) => !lines.includes(term))).toEqual([]);
});

test("every page names only pages of ours that there are", () => {
  const pages = readdirSync(`${ROOT}deploy/man`);
  const named = pages.flatMap((page) => {
    const text = readFileSync(`${ROOT}deploy/man/${page}`, "utf8").replaceAll("\\-", "-");
    return [...text.matchAll(/^\.BR (hapgent\S*) \((\d)\)/gm)].map(
      ([, name, part]) => `${name}.${part}`,
    );
  });
  expect(named).not.toBeEmpty();
  expect(named.filter((name) => !pages.includes(name))).toEqual([]);
});
