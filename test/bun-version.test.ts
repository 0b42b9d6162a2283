// Bun's version stands once, as packageManager in package.json:
// - every other place that names it names the same one, and it is the one that runs the tests;
// - the README, the workflows and .ci/run all start the scripts with it.
import { expect, test } from "bun:test";
import { devDependencies, packageManager } from "../package.json";
import { listFiles } from "../scripts/lib/repository.ts";
import { ROOT } from "../scripts/lib/shell.ts";

/** What tells of the past, and may name another version. */
const HISTORY = /^CHANGELOG\.md$|^scripts\/benchmark\/results\/|(^|\/)bun\.lock$/;

const [, version = ""] = packageManager.split("@");

/** The versions of Bun that a file names, `bun@VERSION` or `Bun VERSION`. */
async function readVersions(path: string): Promise<string[]> {
  const text = await Bun.file(ROOT + path).text();
  return [...text.matchAll(/\bbun(?:@| v?)(\d+\.\d+\.\d+)/gi)].map(([, found = ""]) => found);
}

test("every file that names Bun's version names the one of package.json", async () => {
  const wrong: string[] = [];
  for (const path of listFiles().filter((name) => !HISTORY.test(name))) {
    const others = (await readVersions(path)).filter((found) => found !== version);
    if (others.length > 0) wrong.push(`${path}: ${others.join(", ")}`);
  }
  expect(wrong).toEqual([]);
});

test.each(["README.md", ".ci/run", ".github/workflows/ci.yml", ".github/workflows/release.yml"])(
  "%s names it",
  async (path) => {
    expect(await readVersions(path)).toContain(version);
  },
);

test("it runs these tests, and the types are its types", () => {
  expect(packageManager).toBe(`bun@${Bun.version}`);
  expect(devDependencies["@types/bun"]).toBe(version);
});
