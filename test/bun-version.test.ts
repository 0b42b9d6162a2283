// Bun's version stands once, as packageManager in package.json:
// - every other place that names it names the same one, and it is the one that runs the tests;
// - it is started in one way everywhere, which works with every npm from 9 on.
import { expect, test } from "bun:test";
import { devDependencies, packageManager } from "../package.json";
import { ROOT } from "../scripts/lib/shell.ts";
import { listFiles } from "./repository.ts";

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

/** npm 12 runs an install script only when it is told to; older ones take the option, too. */
const NPX = `npx --yes --allow-scripts=bun ${packageManager}`;

test("npx is always told the same", async () => {
  const told: Record<string, string[]> = {};
  for (const path of listFiles().filter((name) => !HISTORY.test(name))) {
    const text = await Bun.file(ROOT + path).text();
    const commands = text.match(/\bnpx -.*?bun@\S+/g);
    if (commands) told[path] = [...new Set(commands)];
  }
  const paths = [".ci/run", ".github/workflows/ci.yml", "CONTRIBUTING.md", "README.md"];
  expect(told).toEqual(Object.fromEntries(paths.map((path) => [path, [NPX]])));
});

test("it runs these tests, and the types are its types", () => {
  expect(packageManager).toBe(`bun@${Bun.version}`);
  expect(devDependencies["@types/bun"]).toBe(version);
});
