// What a write promises, whatever the disk does: the file holds the old text or the new one, whole,
// nothing is left beside it, and a write that nobody waits for any more leaves it alone.
import { afterEach, describe, expect, type Mock, spyOn, test } from "bun:test";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import {
  type Attempt,
  hasGroupRights,
  overwriteFile,
  replaceFile,
} from "../../src/state/writer.ts";

const OLD = '{"status":"UP"}';
const [SHORT, LONG] = ["{}", '{"status":"DOWN","weight":50}'];

/** What stands in for a call of every open file. */
const mocks: Mock<(...args: never[]) => unknown>[] = [];

afterEach(() => {
  for (const mock of mocks.splice(0)) mock.mockRestore();
});

/** Makes a call of open files do this; it is given the file and the true call. */
async function fake<Name extends "write" | "sync" | "truncate" | "chown">(
  name: Name,
  call: (file: FileHandle, original: FileHandle[Name], ...args: unknown[]) => Promise<unknown>,
): Promise<void> {
  const file = await open(import.meta.path);
  await file.close();
  const all = Object.getPrototypeOf(file) as FileHandle;
  const original = all[name];
  const mock = spyOn(all, name) as unknown as Mock<(...args: never[]) => unknown>;
  mock.mockImplementation(function (this: FileHandle, ...args) {
    return call(this, original, ...args);
  });
  mocks.push(mock);
}

/** The error of a system call. */
function failed(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** Makes the wait for the disk fail at its n-th time, from 1. */
async function failSync(code: string, time: number): Promise<void> {
  let count = 0;
  await fake("sync", (file, sync) => {
    count += 1;
    return count === time ? Promise.reject(failed(code)) : sync.call(file);
  });
}

/** A file with the old text, in a directory of its own. */
function createFile(text = OLD) {
  const directory = temporaryDirectory();
  const name = `${directory.path}/state.json`;
  writeFileSync(name, text, { mode: 0o644 });
  const attempt: Attempt = { isLate: false, isWritten: false };
  return {
    name,
    attempt,
    text: () => readFileSync(name, "utf8"),
    names: () => readdirSync(directory.path).toSorted(),
    [Symbol.dispose]: () => directory[Symbol.dispose](),
  };
}

describe.each([
  ["replaceFile", replaceFile],
  ["overwriteFile", overwriteFile],
] as const)("%s", (_, write) => {
  test.each([SHORT, LONG])("makes the file hold %j, and says so", async (text) => {
    using file = createFile();
    expect(await write(file.name, text, file.attempt)).toEqual({});
    expect(file.text()).toBe(text);
    expect(file.attempt.isWritten).toBe(true);
    expect(file.names()).toEqual(["state.json"]);
  });

  test("writes all of it where the system takes a part at a time", async () => {
    using file = createFile();
    await fake("write", (handle, original, bytes, offset, length, position) =>
      Reflect.apply(original, handle, [bytes, offset, Math.min(3, Number(length)), position]),
    );
    await write(file.name, LONG, file.attempt);
    expect(file.text()).toBe(LONG);
  });

  test("fails where the disk takes nothing more", async () => {
    using file = createFile();
    await fake("write", async () => ({ bytesWritten: 0 }));
    await expect(write(file.name, LONG, file.attempt)).rejects.toThrow("the disk takes no more");
    expect(file.text()).toBe(OLD);
    expect(file.names()).toEqual(["state.json"]);
  }, 2000);

  test.each([SHORT, LONG])("leaves the file alone when it is late with %j", async (text) => {
    using file = createFile();
    file.attempt.isLate = true;
    await expect(write(file.name, text, file.attempt)).rejects.toThrow("nobody waits for it");
    expect(file.text()).toBe(OLD);
    expect(file.attempt.isWritten).toBe(false);
    expect(file.names()).toEqual(["state.json"]);
  });

  test.each([SHORT, LONG])("says of %j where nobody knows that it is on the disk", async (text) => {
    using file = createFile();
    await fake("sync", () => Promise.reject(failed("EINVAL")));
    const undurable = "invalid argument (EINVAL)";
    expect(await write(file.name, text, file.attempt)).toEqual({ undurable });
    expect(file.text()).toBe(text);
  });

  test.each([1, 2, 3])("keeps one whole text when the disk fails at wait %d", async (time) => {
    using file = createFile();
    await failSync("EIO", time);
    const outcome = await write(file.name, LONG, file.attempt).catch(() => "failed");
    expect(file.text()).toBe(outcome === "failed" ? OLD : LONG);
    expect(file.attempt.isWritten).toBe(outcome !== "failed");
    expect(file.names()).toEqual(["state.json"]);
  });
});

describe("replaceFile", () => {
  test("keeps the old file under another name where that is asked for", async () => {
    using file = createFile();
    await replaceFile(file.name, LONG, file.attempt, { aside: `${file.name}.rejected` });
    expect(readFileSync(`${file.name}.rejected`, "utf8")).toBe(OLD);
    expect(file.names()).toEqual(["state.json", "state.json.rejected"]);
  });

  test("says which owner and mode the new file could not have", async () => {
    using file = createFile();
    await fake("chown", () => Promise.reject(failed("EPERM")));
    const old = Object.assign(statSync(file.name), { uid: 12_345, gid: 54_321 });
    expect(await replaceFile(file.name, LONG, file.attempt, { old })).toEqual({
      replaced: "owner 12345:54321, mode 644",
    });
    expect(file.text()).toBe(LONG);
  });

  test.each([
    [1, 0],
    [0, 1],
    [1, 1],
  ])("asks for the old owner where user or group is another (%d, %d)", async (user, group) => {
    using file = createFile();
    const asked: unknown[] = [];
    await fake("chown", async (_, _chown, ...owner) => asked.push(owner));
    const old = statSync(file.name);
    const [uid, gid] = [old.uid + user, old.gid + group];
    await replaceFile(file.name, LONG, file.attempt, { old: Object.assign(old, { uid, gid }) });
    expect(asked).toEqual([[uid, gid]]);
  });
});

describe("overwriteFile", () => {
  test("is for nobody to undo once it was said to be saved", async () => {
    using file = createFile();
    await fake("sync", async () => {
      // Where the text is written, its time is over.
      file.attempt.isLate = file.attempt.isWritten;
      if (file.attempt.isWritten) throw failed("EIO");
    });
    await expect(overwriteFile(file.name, LONG, file.attempt)).rejects.toThrow("EIO");
    expect(file.text()).toBe(LONG);
    expect(file.attempt.isWritten).toBe(true);
  });

  test("makes room first, so that a full disk takes nothing of the old text", async () => {
    using file = createFile();
    const seen: string[] = [];
    await fake("write", (handle, original, ...args) => {
      seen.push(file.text());
      return Reflect.apply(original, handle, args);
    });
    await overwriteFile(file.name, LONG, file.attempt);
    expect(seen).toEqual([OLD, OLD.padEnd(LONG.length, "\n")]);
  });
});

test.each([SHORT, LONG])(
  "what is written over a file is on the disk before the next step: %j",
  async (text) => {
    using file = createFile();
    const steps: string[] = [];
    for (const name of ["write", "sync", "truncate"] as const) {
      await fake(name, (handle, original, ...args) => {
        steps.push(name === "sync" ? "wait" : "change");
        return Reflect.apply(original, handle, args);
      });
    }
    await overwriteFile(file.name, text, file.attempt);
    const isWaited = steps.every((step, i) => step === "wait" || steps[i + 1] === "wait");
    expect({ isWaited, changes: steps.includes("change") }).toEqual({
      isWaited: true,
      changes: true,
    });
  },
);

test.each([
  [0o644, false],
  [0o600, false],
  [0o666, false],
  [0o640, true],
  [0o664, true],
  [0o610, true],
  [0o604, false],
])("with mode %#o the group has rights of its own: %p", (mode, hasRights) => {
  expect(hasGroupRights(mode)).toBe(hasRights);
});
