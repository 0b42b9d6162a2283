// What a save promises: the file holds the state or what it held before, whole; its rights stay;
// what somebody else has written there is set aside first; saves of one file never overtake each
// other. And where the directory takes no new file, it is written in place.
import { afterEach, describe, expect, jest, type Mock, spyOn, test } from "bun:test";
import {
  chmodSync,
  chownSync,
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
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { describeError } from "../../src/errors.ts";
import { LateError } from "../../src/state/deadline.ts";
import * as files from "../../src/state/file.ts";
import { saveState } from "../../src/state/save.ts";
import { formatState, type State } from "../../src/state/state.ts";

const STATE: State = { status: "DOWN", weight: 50 };

/** What stands in for a call to the system. */
const mocks: Mock<(...args: never[]) => unknown>[] = [];

afterEach(() => {
  for (const mock of mocks.splice(0)) mock.mockRestore();
});

/** Makes every rename to a file fail with this error. */
function refuseRename(to: string, code: string): void {
  const { rename } = promises;
  const error = Object.assign(new Error(code), { code });
  const mock = spyOn(promises, "rename").mockImplementation((from, name) =>
    name === to ? Promise.reject(error) : rename(from, name),
  );
  mocks.push(mock);
}

/** Makes what every open file does before it is on the disk this. */
async function fakeSync(call: () => Promise<void>): Promise<void> {
  const file = await promises.open(import.meta.path);
  await file.close();
  const mock = spyOn(Object.getPrototypeOf(file) as promises.FileHandle, "sync");
  mocks.push(mock.mockImplementation(call));
}

describe("saveState", () => {
  test("makes a new file with mode 0644, whatever the umask is", async () => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/state.json`;
    const old = process.umask(0o077);
    try {
      expect(await saveState(file, STATE)).toEqual({});
    } finally {
      process.umask(old);
    }
    expect(readFileSync(file, "utf8")).toBe(formatState(STATE));
    expect(statSync(file).mode & 0o7777).toBe(0o644);
    expect(readdirSync(directory.path)).toEqual(["state.json"]);
  });

  test.each([0o600, 0o644, 0o400, 0o666])(
    "replaces a file of mode %#o, with mode and owner",
    async (mode) => {
      using directory = temporaryDirectory();
      const file = `${directory.path}/state.json`;
      writeFileSync(file, '{"status":"UP"}');
      chmodSync(file, mode);
      // Only root may give a file away; for others the owner is the same before and after.
      if (process.getuid?.() === 0) chownSync(file, 65534, 65533);
      const before = statSync(file);
      expect(await saveState(file, STATE)).toEqual({});
      const after = statSync(file);
      expect(after.ino).not.toBe(before.ino);
      expect([after.mode, after.uid, after.gid]).toEqual([before.mode, before.uid, before.gid]);
    },
  );

  // Such a mode may be the mask of an access control list.
  test.each([0o640, 0o660, 0o664])(
    "writes a file of mode %#o in place: its rights stay",
    async (mode) => {
      using directory = temporaryDirectory();
      const file = `${directory.path}/state.json`;
      for (const size of [0, 3, 15, 1000]) {
        writeFileSync(file, size > 10 ? '{"status":"UP"}'.padEnd(size) : " ".repeat(size));
        chmodSync(file, mode);
        if (process.getuid?.() === 0) chownSync(file, 65534, 65533);
        const before = statSync(file);
        const { inPlace } = await saveState(file, STATE);
        expect(inPlace).toBe(`the group has rights of its own (mode ${mode.toString(8)})`);
        const after = statSync(file);
        const rights = [before.ino, before.mode, before.uid, before.gid];
        expect([after.ino, after.mode, after.uid, after.gid]).toEqual(rights);
        expect(readFileSync(file, "utf8")).toBe(formatState(STATE));
      }
    },
  );

  test("saves a file with the longest name", async () => {
    using directory = temporaryDirectory();
    const name = "x".repeat(255);
    for (const state of [STATE, { status: "UP" } as const]) {
      expect(await saveState(`${directory.path}/${name}`, state)).toEqual({});
      expect(readFileSync(`${directory.path}/${name}`, "utf8")).toBe(formatState(state));
    }
    expect(readdirSync(directory.path)).toEqual([name]);
  });

  test("says so when a name is too long to set the file aside", async () => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/${"x".repeat(247)}`;
    writeFileSync(file, "bad");
    await expect(saveState(file, STATE)).rejects.toThrow(
      "the invalid text cannot be set aside: name too long (ENAMETOOLONG)",
    );
    expect(readFileSync(file, "utf8")).toBe("bad");
    expect(readdirSync(directory.path)).toHaveLength(1);
  });

  test("saves of one file at once are done in their order", async () => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/state.json`;
    for (let round = 0; round < 20; round += 1) {
      const weights = Array.from({ length: 10 }, (_, i) => i);
      await Promise.all(weights.map((weight) => saveState(file, { status: "UP", weight })));
      expect(readFileSync(file, "utf8")).toBe(formatState({ status: "UP", weight: 9 }));
    }
    expect(readdirSync(directory.path)).toEqual(["state.json"]);
  });

  test("replaces the target of symlinks, and the links stay", async () => {
    using directory = temporaryDirectory();
    mkdirSync(`${directory.path}/real`);
    writeFileSync(`${directory.path}/real/state.json`, '{"status":"UP"}');
    symlinkSync("real/state.json", `${directory.path}/inner`);
    symlinkSync(`${directory.path}/inner`, `${directory.path}/outer`);
    await saveState(`${directory.path}/outer`, STATE);
    expect(readlinkSync(`${directory.path}/inner`)).toBe("real/state.json");
    expect(lstatSync(`${directory.path}/outer`).isSymbolicLink()).toBe(true);
    expect(readFileSync(`${directory.path}/real/state.json`, "utf8")).toBe(formatState(STATE));
    expect(readdirSync(`${directory.path}/real`)).toEqual(["state.json"]);
  });

  test("makes the target of a dangling symlink", async () => {
    using directory = temporaryDirectory();
    symlinkSync("later.json", `${directory.path}/state.json`);
    await saveState(`${directory.path}/state.json`, STATE);
    expect(readlinkSync(`${directory.path}/state.json`)).toBe("later.json");
    expect(readFileSync(`${directory.path}/later.json`, "utf8")).toBe(formatState(STATE));
  });

  test("keeps clear of a temporary file's name, and follows no symlink put in its place", async () => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/state.json`;
    writeFileSync(`${directory.path}/precious`, "precious");
    symlinkSync("precious", `${directory.path}/.state.json.hapgent`);
    await saveState(file, STATE);
    expect(readFileSync(`${directory.path}/precious`, "utf8")).toBe("precious");
    expect(lstatSync(file).isFile()).toBe(true);
    rmSync(`${directory.path}/.state.json.hapgent`);
    mkdirSync(`${directory.path}/.state.json.hapgent`);
    expect(await saveState(file, { status: "UP" })).toEqual({});
    expect(readFileSync(file, "utf8")).toBe(formatState({ status: "UP" }));
  });

  test.each([
    ['{"status":"UP","weight":300}', "a wrong value"],
    ["weights: 10 20 30", "no JSON"],
  ])("sets %# aside as .rejected before it is overwritten: %s", async (text) => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/state.json`;
    writeFileSync(file, text, { mode: 0o600 });
    expect(await saveState(file, STATE)).toEqual({ rejected: `${file}.rejected` });
    expect(readFileSync(`${file}.rejected`, "utf8")).toBe(text);
    expect(statSync(`${file}.rejected`).mode & 0o7777).toBe(0o600);
    expect(readFileSync(file, "utf8")).toBe(formatState(STATE));
    // The file is valid now: nothing more to set aside, and what is there stays.
    expect(await saveState(file, { status: "UP" })).toEqual({});
    expect(readFileSync(`${file}.rejected`, "utf8")).toBe(text);
  });

  test("sets nothing aside where nothing was, and a single letter where there was one", async () => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/state.json`;
    writeFileSync(file, "");
    expect(await saveState(file, STATE)).toEqual({});
    expect(readdirSync(directory.path)).toEqual(["state.json"]);
    writeFileSync(file, "x");
    expect(await saveState(file, STATE)).toEqual({ rejected: `${file}.rejected` });
  });

  test("sets aside what is nearly too large to be a state", async () => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/state.json`;
    writeFileSync(file, "x".repeat(65_536));
    expect(await saveState(file, STATE)).toEqual({ rejected: `${file}.rejected` });
  });

  test.each([
    ["EACCES", "permission denied (EACCES)"],
    ["EPERM", "operation not permitted (EPERM)"],
    ["EROFS", "read-only file system (EROFS)"],
    ["EBUSY", "resource busy or locked (EBUSY)"],
  ])("writes in place where a rename is refused (%s), and says why", async (code, inPlace) => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/state.json`;
    writeFileSync(file, '{"status":"UP"}');
    const { ino } = statSync(file);
    refuseRename(file, code);
    expect(await saveState(file, STATE)).toEqual({ inPlace });
    expect(readFileSync(file, "utf8")).toBe(formatState(STATE));
    expect(statSync(file).ino).toBe(ino);
    expect(readdirSync(directory.path)).toEqual(["state.json"]);
  });

  test("fails where a new file is refused, or the disk fails", async () => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/state.json`;
    refuseRename(file, "EACCES");
    await expect(saveState(file, STATE)).rejects.toThrow("EACCES");
    expect(readdirSync(directory.path)).toEqual([]);
    writeFileSync(file, '{"status":"UP"}');
    refuseRename(file, "EIO");
    await expect(saveState(file, STATE)).rejects.toThrow("EIO");
    expect(readFileSync(file, "utf8")).toBe('{"status":"UP"}');
    expect(readdirSync(directory.path)).toEqual(["state.json"]);
  });

  describe("of what it cannot read", () => {
    /** Saves where a file is that this process must not read. */
    async function saveUnread(file: string): Promise<unknown> {
      writeFileSync(file, "secret");
      const error = Object.assign(new Error("EACCES"), { code: "EACCES" });
      mocks.push(spyOn(files, "loadState").mockRejectedValue(error));
      return await saveState(file, STATE).catch(describeError);
    }

    test("sets the file aside by its name", async () => {
      using directory = temporaryDirectory();
      const file = `${directory.path}/state.json`;
      expect(await saveUnread(file)).toEqual({ rejected: `${file}.rejected` });
      expect(readFileSync(`${file}.rejected`, "utf8")).toBe("secret");
      expect(readFileSync(file, "utf8")).toBe(formatState(STATE));
    });

    test("leaves it as it is where it cannot be set aside either", async () => {
      using directory = temporaryDirectory();
      const file = `${directory.path}/state.json`;
      refuseRename(`${file}.rejected`, "EACCES");
      expect(await saveUnread(file)).toBe(
        "what is there can be neither read nor set aside: permission denied (EACCES)",
      );
      expect(readFileSync(file, "utf8")).toBe("secret");
      expect(readdirSync(directory.path)).toEqual(["state.json"]);
    });
  });

  test("tries again when somebody has taken its temporary file for a leftover", async () => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/state.json`;
    let count = 0;
    await fakeSync(async () => {
      count += 1;
      if (count > 1) return;
      for (const name of readdirSync(directory.path)) rmSync(`${directory.path}/${name}`);
    });
    expect(await saveState(file, STATE)).toEqual({});
    expect(readFileSync(file, "utf8")).toBe(formatState(STATE));
  });

  test("is over after 5 s; what hangs leaves the file alone, and the next save waits for it", async () => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/state.json`;
    writeFileSync(file, '{"status":"UP"}');
    const disk = Promise.withResolvers<void>();
    const hanging = Promise.withResolvers<void>();
    await fakeSync(() => {
      hanging.resolve();
      return disk.promise;
    });
    jest.useFakeTimers();
    try {
      const first = saveState(file, STATE);
      await hanging.promise;
      const both = Promise.allSettled([first, saveState(file, { status: "MAINT" })]);
      jest.advanceTimersByTime(5000);
      const late = { status: "rejected", reason: new LateError(5000) } as const;
      expect(await both).toEqual([late, late]);
    } finally {
      jest.useRealTimers();
    }
    const third = saveState(file, { status: "DRAIN" });
    const rename = spyOn(promises, "rename");
    mocks.push(rename);
    disk.resolve();
    expect(await third).toEqual({});
    expect(rename).toHaveBeenCalledTimes(1);
    expect(readFileSync(file, "utf8")).toBe(formatState({ status: "DRAIN" }));
    expect(readdirSync(directory.path)).toEqual(["state.json"]);
  });

  test("counts as done when the file holds the state, and only the disk's word is late", async () => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/state.json`;
    writeFileSync(file, '{"status":"UP"}');
    const disk = Promise.withResolvers<void>();
    const hanging = Promise.withResolvers<void>();
    await fakeSync(async () => {
      if (!readFileSync(file, "utf8").includes("DOWN")) return;
      hanging.resolve();
      await disk.promise;
    });
    jest.useFakeTimers();
    try {
      const saving = saveState(file, STATE);
      await hanging.promise;
      jest.advanceTimersByTime(5000);
      expect(await saving).toEqual({ undurable: "the disk has not answered within 5 s" });
    } finally {
      jest.useRealTimers();
    }
    disk.resolve();
    expect(await saveState(file, STATE)).toEqual({});
  });

  test("does not replace what is no regular file", async () => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/state.json`;
    Bun.spawnSync(["mkfifo", file]);
    await expect(saveState(file, STATE)).rejects.toThrow("expected a regular file");
    await expect(saveState(directory.path, STATE)).rejects.toThrow("expected a regular file");
    expect(lstatSync(file).isFIFO()).toBe(true);
  });

  test("does not overwrite what is too large to be a state", async () => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/state.json`;
    writeFileSync(file, "x".repeat(70_000));
    await expect(saveState(file, STATE)).rejects.toThrow("too large to overwrite: 70000 bytes");
    expect(statSync(file).size).toBe(70_000);
    expect(readdirSync(directory.path)).toEqual(["state.json"]);
  });

  test("fails where there is no directory, and says why", async () => {
    await expect(saveState("/nowhere/at/all/state.json", STATE)).rejects.toThrow("ENOENT");
  });
});
