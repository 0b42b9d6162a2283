// The version stands in package.json; what names it elsewhere names the same one. As packages write it.
import { expect, test } from "bun:test";
import { version } from "../package.json";
import { ROOT } from "../scripts/lib/shell.ts";
import { isPrerelease, packageVersion } from "../scripts/lib/version.ts";
import { listFiles } from "./repository.ts";

test.each([
  ["1.0.0", "1.0.0", false],
  ["1.0.0-rc.1", "1.0.0~rc.1", true],
  ["1.0.0-rc-1.x", "1.0.0~rc.1.x", true],
  ["1.0.0+build-5", "1.0.0+build.5", false],
])("%s is %s", (version, name, isEarlier) => {
  expect(packageVersion(version)).toBe(name);
  expect(isPrerelease(version)).toBe(isEarlier);
});

/** How documents and samples name what a release has: files, an image, the role's variable. */
const NAMED = /(?:hapgent[-:_]|hapgent_version: |HAPGENT_VERSION:-)(\d+\.\d+\.\d+)/g;

test("documents and samples name this version", async () => {
  const files = listFiles().filter((path) => /^(deploy\/.*|[A-Z]+)\.(md|ya?ml)$/.test(path));
  const named = await Promise.all(
    files.map(async (path) => [...(await Bun.file(ROOT + path).text()).matchAll(NAMED)]),
  );
  const versions = named.flat().map(([, found]) => found);
  expect(versions.length).toBeGreaterThan(8);
  expect([...new Set(versions)]).toEqual([version]);
});
