// What is read as a state file: at most 64 KiB. A version of it is told from the next by what the
// system says of it, without reading it.
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { until } from "../../scripts/lib/until.ts";
import { describeError } from "../../src/errors.ts";
import { type Identity, identify, isCurrent, loadState } from "../../src/state/read.ts";
import type { State } from "../../src/state/state.ts";
import { createFile } from "./disk.ts";

describe("a file", () => {
  test.each<[string, State | string]>([
    ['\ufeff{"status":"READY","weight":75}', { status: "READY", weight: 75 }],
    ['{"status":"UP"}'.padEnd(65_536), { status: "UP" }],
    ['{"status":"UP"}'.padEnd(65_537), "expected at most 65536 bytes, got 65537"],
  ])("is what its text says (%#)", async (text, found) => {
    using file = createFile(text);
    expect(await loadState(file.path).catch(describeError)).toEqual(found);
  });

  test.each(["/dev/zero", "/"])("is no device and no directory: %s", async (path) => {
    expect(await loadState(path).catch(describeError)).toBe("expected a regular file");
  });
});

describe("a version of a file", () => {
  const version: Identity = { device: 1, inode: 2, size: 3, modified: 4, changed: 5 };

  test.each(["device", "inode", "size", "modified", "changed", "error"])(
    "is another one when nothing but its %s differs",
    (field) => {
      expect(isCurrent(version, { ...version })).toBe(true);
      expect(isCurrent(version, { ...version, [field]: 9 })).toBe(false);
    },
  );

  test("is like no other while it is young, when it was just written", async () => {
    using file = createFile();
    await until("young", async () => {
      writeFileSync(file.path, "{}");
      const identity = await identify(file.path);
      expect(identity).toMatchObject({ size: 2, links: 1 });
      return !isCurrent(identity, identity);
    });
    // The runtime may be as young: it has just been installed.
    await until("old", async () =>
      isCurrent(await identify(process.execPath), await identify(process.execPath)),
    );
    expect(await identify("/nowhere")).toEqual({ error: "ENOENT" });
  });
});
