// scripts/README.md names every script and every module of scripts/lib, and nothing else.
import { expect, test } from "bun:test";
import { listFiles } from "../scripts/lib/repository.ts";
import { ROOT } from "../scripts/lib/shell.ts";

test("scripts/README.md names every script, and every module of lib", async () => {
  const [verbs = "", nouns = ""] = (await Bun.file(`${ROOT}scripts/README.md`).text()).split(
    "## lib",
  );
  const named = (text: string) =>
    [...text.matchAll(/^\| `([a-z-]+\.ts)`/gm)].map(([, name]) => name ?? "").toSorted();
  const files = (directory: string) =>
    listFiles(directory)
      .map((path) => path.slice(directory.length + 1))
      .filter((name) => /^[^/]+\.ts$/.test(name))
      .toSorted();
  expect(named(verbs)).toEqual(files("scripts"));
  expect(named(nouns)).toEqual(files("scripts/lib"));
});
