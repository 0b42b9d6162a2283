// A version as packages write it.
import { expect, test } from "bun:test";
import { isPrerelease, packageVersion } from "../scripts/lib/version.ts";

test.each([
  ["1.0.0", "1.0.0", false],
  ["1.0.0-rc.1", "1.0.0~rc.1", true],
  ["1.0.0-rc-1.x", "1.0.0~rc.1.x", true],
  ["1.0.0+build-5", "1.0.0+build.5", false],
])("%s is %s", (version, name, isEarlier) => {
  expect(packageVersion(version)).toBe(name);
  expect(isPrerelease(version)).toBe(isEarlier);
});
