import { expect, test } from "bun:test";
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { loadState } from "../../src/state/file.ts";
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
