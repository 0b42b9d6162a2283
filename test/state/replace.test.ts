// What a reader of the file sees, whatever the disk does: the old text or the new one, whole. Mode,
// owner and links stay; what is no state is set aside first; nothing is left beside the file. Where the
// directory takes no new file the text is written in place, padded.
import { describe, expect, spyOn, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import * as promises from "node:fs/promises";
import * as read from "../../src/state/read.ts";
import { replaceFile } from "../../src/state/replace.ts";
import { formatState } from "../../src/state/state.ts";
import { createFile, failAt, failure, fake, NEW, OLD, refuseRename } from "./disk.ts";

describe("a save", () => {
  test("makes a new file for all to read, whatever the umask is", async () => {
    using file = createFile("");
    rmSync(file.path);
    const old = process.umask(0o077);
    expect(await file.save().finally(() => process.umask(old))).toEqual({});
    expect(file.text()).toBe(NEW);
    expect(statSync(file.path).mode & 0o7777).toBe(0o644);
  });

  test("replaces a file at once, and keeps mode and owner", async () => {
    using file = createFile();
    chmodSync(file.path, 0o400);
    // Only root may give a file away; for others the owner is the same before and after.
    if (process.getuid?.() === 0) chownSync(file.path, 65534, 0);
    const before = statSync(file.path);
    expect(await file.save()).toEqual({});
    const { ino, ...after } = statSync(file.path);
    expect(ino).not.toBe(before.ino);
    const rights = [before.mode, before.uid, before.gid];
    expect([after.mode, after.uid, after.gid]).toEqual(rights);
    expect(file.text()).toBe(NEW);
  });

  test("follows symlinks, which stay, to a file or to nothing", async () => {
    using file = createFile();
    mkdirSync(`${file.path}.d/deep`, { recursive: true });
    symlinkSync("../state.json", `${file.path}.d/inner`);
    symlinkSync(`${file.path}.d/inner`, `${file.path}.d/outer`);
    symlinkSync("state.json.d/deep", `${file.path}.linked`);
    symlinkSync("../later", `${file.path}.d/deep/dangling`);
    expect(await replaceFile(`${file.path}.d/outer`, NEW)).toEqual({});
    expect(await replaceFile(`${file.path}.linked/dangling`, NEW)).toEqual({});
    expect(file.text()).toBe(NEW);
    expect(readFileSync(`${file.path}.d/later`, "utf8")).toBe(NEW);
    expect(readlinkSync(`${file.path}.d/inner`)).toBe("../state.json");
    const names = readdirSync(`${file.path}.d`, { recursive: true }).toSorted();
    expect(names).toEqual(["deep", "deep/dangling", "inner", "later", "outer"]);
  });

  test("removes what a killed one has left, and follows no symlink put in its place", async () => {
    using file = createFile();
    const precious = `${file.path}.precious`;
    writeFileSync(precious, "precious");
    symlinkSync(precious, file.path.replace("state.json", ".state.json.hapgent-new"));
    expect(await file.save()).toEqual({});
    expect([file.text(), readFileSync(precious, "utf8")]).toEqual([NEW, "precious"]);
    expect(lstatSync(file.path).isFile()).toBe(true);
    expect(file.names()).toEqual(["state.json", "state.json.precious"]);
  });

  test("takes a name that leaves no room for a longer one, in place", async () => {
    using file = createFile(OLD, "x".repeat(255));
    expect(await file.save()).toEqual({ inPlace: "name too long (ENAMETOOLONG)" });
    expect([file.text(), file.names()]).toEqual([NEW, ["x".repeat(255)]]);
  });

  test("does not touch what is too large to be a state", async () => {
    using file = createFile("x".repeat(70_000));
    expect(await file.save()).toBe("too large to overwrite: 70000 bytes");
    expect(statSync(file.path).size).toBe(70_000);
  });
});

describe("what is no state", () => {
  test("is set aside for the agent's user only, the newest one", async () => {
    using file = createFile("");
    const rejected = `${file.path}.rejected`;
    // Nothing at all is nothing to keep.
    expect(await file.save()).toEqual({});
    for (const text of ['{"status":"UP","weight":300}', "x".repeat(65_536)]) {
      writeFileSync(file.path, text);
      expect(await file.save()).toEqual({ rejected });
      expect(readFileSync(rejected, "utf8")).toBe(text);
      expect(statSync(rejected).mode & 0o7777).toBe(0o600);
      expect(file.text()).toBe(NEW);
      // The file is valid now: nothing more to set aside, and what is there stays.
      expect(await file.save()).toEqual({});
      expect(readFileSync(rejected, "utf8")).toBe(text);
    }
  });

  test("is not overwritten when it cannot be set aside", async () => {
    using file = createFile("bad", "x".repeat(247));
    expect(await file.save()).toBe(
      "the invalid text cannot be set aside: name too long (ENAMETOOLONG)",
    );
    expect(file.text()).toBe("bad");
    expect(file.names()).toHaveLength(1);
  });

  test("and cannot be read is set aside by its name, or left as it is", async () => {
    using file = createFile("secret");
    using _ = spyOn(read, "loadState").mockRejectedValue(failure("EACCES"));
    const rejected = `${file.path}.rejected`;
    expect(await file.save()).toEqual({ rejected });
    expect([file.text(), readFileSync(rejected, "utf8")]).toEqual([NEW, "secret"]);
    writeFileSync(file.path, "secret");
    // It cannot be moved away; or it was, and is moved back.
    for (const refused of [rejected, file.path]) {
      expect(await file.save(refuseRename(refused, "EACCES"))).toBe(
        "what is there can be neither read nor set aside: permission denied (EACCES)",
      );
      expect(file.text()).toBe("secret");
    }
    expect(file.names().filter((name) => name.includes("hapgent"))).toEqual([]);
  });
});

describe("a disk", () => {
  test("that takes a part at a time gets all of it", async () => {
    using file = createFile();
    const part = fake("write", (write, bytes, offset, length, position) =>
      write(bytes, offset, Math.min(3, Number(length)), position),
    );
    expect(await file.save(part)).toEqual({});
    expect(file.text()).toBe(NEW);
  });

  test("that takes nothing more, or fails, leaves the old text and nothing beside it", async () => {
    using file = createFile();
    const full = fake("write", () => Promise.resolve({ bytesWritten: 0 }));
    expect(await file.save(full)).toBe("the disk takes no more");
    for (const fault of [() => failAt(1, "sync", "EIO"), () => refuseRename(file.path, "EIO")]) {
      expect(await file.save(fault())).toBe("i/o error (EIO)");
    }
    expect(file.text()).toBe(OLD);
    expect(file.names()).toEqual(["state.json"]);
  });

  test.each([
    [1, "EINVAL", "invalid argument (EINVAL)"],
    [2, "EIO", "i/o error (EIO)"],
  ])(
    "of which nobody knows whether it has the text, or its name (sync %i), has saved it, not durably",
    async (call, code, undurable) => {
      using file = createFile();
      expect(await file.save(failAt(call, "sync", code))).toEqual({ undurable });
      expect(file.text()).toBe(NEW);
    },
  );
});

describe("where the directory takes no new file", () => {
  test("the text is written in place: no reader sees half of it", async () => {
    const inPlace = "resource busy or locked (EBUSY)";
    for (const old of ["", OLD, formatState({ status: "UP", reason: "x".repeat(100) })]) {
      using file = createFile(old);
      const { ino } = statSync(file.path);
      const seen = new Set<string>();
      const readers = (["write", "sync", "truncate"] as const).map((name) =>
        fake(name, (original, ...args) => {
          if (existsSync(file.path)) seen.add(file.text().trim());
          return original(...args);
        }),
      );
      expect(await file.save(refuseRename(file.path, "EBUSY"), ...readers)).toEqual({ inPlace });
      expect(seen).toEqual(new Set([old.trim(), NEW.trim()]));
      expect([file.text(), statSync(file.path).ino]).toEqual([NEW, ino]);
      expect(file.names()).toEqual(["state.json"]);
    }
  });

  test("nothing is put beside it that could not be taken away (chattr +a)", async () => {
    using file = createFile();
    const onlyGrows = spyOn(promises, "rmdir").mockRejectedValue(failure("EPERM"));
    const alone = fake("write", (write, ...args) => {
      expect(file.names()).toEqual(["state.json"]);
      return write(...args);
    });
    const inPlace = "operation not permitted (EPERM)";
    expect(await file.save(onlyGrows, alone)).toEqual({ inPlace });
    expect(file.text()).toBe(NEW);
  });

  // The first wait is that for the file that could not be renamed.
  test.each([2, 3, 4])(
    "a disk that fails takes nothing of the old text (sync %i)",
    async (call) => {
      using file = createFile();
      const faults = [refuseRename(file.path, "EBUSY"), failAt(call, "sync", "EIO")];
      expect(await file.save(...faults)).toBe("i/o error (EIO)");
      expect(file.text()).toBe(OLD);
    },
  );
});
