// What is read as a state file: a regular file of at most 64 KiB, never a wait for anything else. A
// version of it is told from the next by what the system says of it, without reading it.
import { describe, expect, test } from "bun:test";
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { type Identity, identify, isCurrent, isSame, loadState } from "../../src/state/file.ts";
import { StateError } from "../../src/state/state.ts";

async function messageOf(path: string): Promise<string> {
  return loadState(path).then(
    (state) => JSON.stringify(state),
    (error: Error) => `${error instanceof StateError ? "invalid: " : ""}${error.message}`,
  );
}

test("a file with a state is that state", async () => {
  using directory = temporaryDirectory();
  const file = `${directory.path}/state.json`;
  writeFileSync(file, '\ufeff{"status":"READY","weight":75}');
  expect(await loadState(file)).toEqual({ status: "READY", weight: 75 });
});

test("64 KiB are read, one byte more is refused", async () => {
  using directory = temporaryDirectory();
  const file = `${directory.path}/state.json`;
  writeFileSync(file, '{"status":"UP"}'.padEnd(65_536));
  expect(await loadState(file)).toEqual({ status: "UP" });
  writeFileSync(file, '{"status":"UP"}'.padEnd(65_537));
  expect(await messageOf(file)).toBe("invalid: expected at most 65536 bytes, got 65537");
  truncateSync(file, 2 ** 30);
  expect(await messageOf(file)).toBe("invalid: expected at most 65536 bytes, got 1073741824");
});

test("what is no regular file is refused at once", async () => {
  using directory = temporaryDirectory();
  mkdirSync(`${directory.path}/directory`);
  Bun.spawnSync(["mkfifo", `${directory.path}/fifo`]);
  for (const path of [`${directory.path}/directory`, `${directory.path}/fifo`, "/dev/zero"]) {
    expect(await messageOf(path)).toBe("invalid: expected a regular file");
  }
});

test("a file that is not there is the system's error", async () => {
  expect(await messageOf("/nowhere/state.json")).toContain("ENOENT");
});

test("bytes that are not UTF-8 are refused", async () => {
  using directory = temporaryDirectory();
  const file = `${directory.path}/state.json`;
  writeFileSync(file, Buffer.from('{"status":"UP","reason":"caf\xe9"}', "latin1"));
  expect(await messageOf(file)).toContain("invalid: reason: expected at most 100 printable ASCII");
});

test.each([
  ["", "expected a JSON object, got nothing"],
  [" \n", "expected a JSON object, got nothing"],
  ['{"status":"UP",}', '1:16: expected a property name, got "}" (trailing comma)'],
  [
    '{"weight":1}',
    "status: expected one of UP, DOWN, READY, DRAIN, FAIL, MAINT, STOPPED, got nothing",
  ],
])("the text %j is refused: %s", async (text, problem) => {
  using directory = temporaryDirectory();
  const file = `${directory.path}/state.json`;
  writeFileSync(file, text);
  expect(await messageOf(file)).toBe(`invalid: ${problem}`);
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
      const { size, isYoung } = await identify(file);
      expect(size).toBe(2);
      return isYoung;
    });
    expect(await identify(process.execPath)).toMatchObject({ isYoung: false });
    expect(await identify("/nowhere")).toEqual({ error: "ENOENT" });
  });
});
