// The version of hapgent, and that of Bun, stand once, in package.json; what names one elsewhere names
// the same. As packages write it.
import { expect, test } from "bun:test";
import { devDependencies, packageManager, version } from "../package.json";
import { ROOT } from "../scripts/lib/shell.ts";
import { isPrerelease, packageVersion } from "../scripts/lib/version.ts";
import { listFiles } from "./repository.ts";

test.each([
  ["1.0.0", "1.0.0", false],
  ["1.0.0-rc-1.x", "1.0.0~rc.1.x", true],
  ["1.0.0+build-5", "1.0.0+build.5", false],
])("%s is %s", (version, name, isEarlier) => {
  expect(packageVersion(version)).toBe(name);
  expect(isPrerelease(version)).toBe(isEarlier);
});

/** What a pattern finds in files of these names, each once. */
async function findNamed(names: RegExp, pattern: RegExp): Promise<string[]> {
  const files = listFiles().filter((path) => names.test(path));
  const found = files.map(async (path) => [
    ...(await Bun.file(ROOT + path).text()).matchAll(pattern),
  ]);
  return [...new Set((await Promise.all(found)).flat().map(([, name = ""]) => name))];
}

test("documents and samples name this version: of files, an image, the role's variable", async () => {
  const named = /(?:hapgent[-:_]|hapgent_version: |HAPGENT_VERSION:-)(\d+\.\d+\.\d+)/g;
  expect(await findNamed(/^(deploy\/.*|[A-Z]+)\.(md|ya?ml)$/, named)).toEqual([version]);
});

test("every file but those that tell of the past names Bun's version, which runs these tests", async () => {
  const present = /^(?!CHANGELOG\.md$|scripts\/benchmark\/results\/|(.*\/)?bun\.lock$)/;
  expect(await findNamed(present, /\bbun(?:@| v?)(\d+\.\d+\.\d+)/gi)).toEqual([Bun.version]);
  expect(packageManager).toBe(`bun@${Bun.version}`);
  expect(devDependencies["@types/bun"]).toBe(Bun.version);
});
