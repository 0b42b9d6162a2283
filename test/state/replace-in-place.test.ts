// Where the directory takes no new file, the file is a mount point or its owner may not be given, the
// text is written in place: padded, so that a reader sees a whole one at every moment.
import { afterEach, describe, expect, spyOn, test } from "bun:test";
import { chmodSync, existsSync, statSync } from "node:fs";
import * as promises from "node:fs/promises";
import { formatState } from "../../src/state/state.ts";
import { createFile, failure, fake, mocks, NEW, OLD, refuseRename, restore } from "./disk.ts";

afterEach(restore);

describe("where the directory takes no new file", () => {
  test.each([
    ["EACCES", "permission denied (EACCES)"],
    ["EBUSY", "resource busy or locked (EBUSY)"],
  ])("the text is written in place (%s): no reader sees half of it", async (code, inPlace) => {
    for (const old of ["", OLD, formatState({ status: "UP", reason: "x".repeat(100) })]) {
      using file = createFile(old);
      const { ino } = statSync(file.path);
      refuseRename(file.path, code);
      const seen = new Set<string>();
      for (const name of ["write", "sync", "truncate"] as const) {
        await fake(name, (handle, original, ...args) => {
          if (existsSync(file.path)) seen.add(file.text().trim());
          return Reflect.apply(original, handle, args);
        });
      }
      expect(await file.save()).toEqual({ inPlace });
      expect(seen).toEqual(new Set([old.trim(), NEW.trim()]));
      expect([file.text(), statSync(file.path).ino]).toEqual([NEW, ino]);
      expect(file.names()).toEqual(["state.json"]);
      restore();
    }
  });

  test("nothing is put beside it that could not be taken away (chattr +a)", async () => {
    using file = createFile();
    mocks.push(spyOn(promises, "rmdir").mockRejectedValue(failure("EPERM")));
    await fake("write", (handle, write, ...args) => {
      expect(file.names()).toEqual(["state.json"]);
      return Reflect.apply(write, handle, args);
    });
    expect(await file.save()).toEqual({ inPlace: "operation not permitted (EPERM)" });
    expect(file.text()).toBe(NEW);
  });

  test("a disk that fails, or is full, takes nothing of the old text", async () => {
    for (const fails of [1, 2, 3]) {
      using file = createFile();
      refuseRename(file.path, "EBUSY");
      let count = 0;
      await fake("sync", (handle, sync) => {
        count += 1;
        // The first wait is that for the file that could not be renamed.
        return count === 1 + fails ? Promise.reject(failure("EIO")) : sync.call(handle);
      });
      expect(await file.save()).toBe("i/o error (EIO)");
      expect(file.text()).toBe(OLD);
      restore();
    }
  });
});

test.each([
  [0o664, 0o644],
  [0o640, 0o600],
])(
  "somebody else's file is written in place; where it may not be, of mode %i no group gets more",
  async (mode, left) => {
    using file = createFile();
    chmodSync(file.path, mode);
    const { ino } = statSync(file.path);
    const { open, stat } = promises;
    const other = async (path: unknown) =>
      Object.assign(await stat(String(path)), { uid: 12_345, gid: 54_321 });
    mocks.push(spyOn(promises, "stat").mockImplementation(other as never));
    await fake("chown", () => Promise.reject(failure("EPERM")));
    expect(await file.save()).toEqual({ inPlace: "operation not permitted (EPERM)" });
    expect([file.text(), statSync(file.path).ino]).toEqual([NEW, ino]);
    mocks.push(
      spyOn(promises, "open").mockImplementation((path, flags, rights) =>
        flags === "r+" ? Promise.reject(failure("EACCES")) : open(path, flags, rights),
      ),
    );
    expect(await file.save()).toEqual({ replaced: `owner 12345:54321, mode ${mode.toString(8)}` });
    expect([file.text(), statSync(file.path).mode & 0o7777]).toEqual([NEW, left]);
  },
);
