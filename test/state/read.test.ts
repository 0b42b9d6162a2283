// What is read as a state file: at most 64 KiB. A version of it is told from the next by what the
// system says of it, without reading it.
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { findState, type Identity, identify, isCurrent, isSame } from "../../src/state/read.ts";

describe("a text", () => {
  test.each<[string, object]>([
    ['\ufeff{"status":"READY","weight":75}', { state: { status: "READY", weight: 75 } }],
    ['{"status":"UP"}'.padEnd(65_536), { state: { status: "UP" } }],
    ['{"status":"UP"}'.padEnd(65_537), { problem: "expected at most 65536 bytes, got 65537" }],
  ])("%# is what it says", async (text, found) => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/state.json`;
    writeFileSync(file, text);
    expect(await findState(file)).toEqual(found as never);
  });
});

describe("a version of a file", () => {
  const version: Identity = {
    device: 1,
    inode: 2,
    size: 3,
    modified: 4,
    changed: 5,
    isYoung: false,
  };

  test.each(["device", "inode", "size", "modified", "changed", "error"] as const)(
    "is another one when nothing but its %s differs",
    (field) => {
      expect(isSame(version, { ...version })).toBe(true);
      const other = { ...version, [field]: field === "error" ? "ENOENT" : 9 };
      expect(isSame(version, other)).toBe(false);
      expect(isCurrent(version, other)).toBe(false);
    },
  );

  test("is for sure the one that was read only if it was not young then", () => {
    expect(isCurrent(version, { ...version, isYoung: true })).toBe(true);
    expect(isCurrent({ ...version, isYoung: true }, version)).toBe(false);
  });

  test("is young when it was just written, and not when it is old", async () => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/state.json`;
    await until("young", async () => {
      writeFileSync(file, "{}");
      const { size, links, isYoung } = await identify(file);
      expect({ size, links }).toEqual({ size: 2, links: 1 });
      return isYoung;
    });
    expect(await identify(process.execPath)).toMatchObject({ isYoung: false });
    expect(await identify("/nowhere")).toEqual({ error: "ENOENT" });
  });
});
