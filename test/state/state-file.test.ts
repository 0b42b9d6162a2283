// One read and one write of a file at a time: of the states that come during a write only the last is
// written. What somebody else has done to the file since is a change.
import { expect, jest, spyOn, test } from "bun:test";
import { rmSync } from "node:fs";
import * as disks from "../../src/state/disk.ts";
import * as reads from "../../src/state/read.ts";
import * as replacing from "../../src/state/replace.ts";
import { formatState } from "../../src/state/state.ts";
import { StateFile } from "../../src/state/state-file.ts";
import { stopTimers, turn } from "../contract/here.ts";
import { createFile, failure } from "./disk.ts";

test("a state file is written twice for many changes at once: the first, and the last", async () => {
  using created = createFile();
  const file = new StateFile(created.path);
  const saves: { text: string; end: () => void }[] = [];
  const { replaceFile } = replacing;
  using _ = spyOn(replacing, "replaceFile").mockImplementation((path, text) => {
    const { promise, resolve } = Promise.withResolvers<replacing.Saved>();
    saves.push({ text, end: () => resolve(replaceFile(path, text)) });
    return promise;
  });
  const first = file.write({ status: "UP", weight: 0 });
  while (saves.length === 0) await turn();
  const others = Array.from({ length: 100 }, (_, i) => file.write({ status: "UP", weight: i + 1 }));
  // Until all is written memory is right.
  expect(await file.read(true)).toBeUndefined();
  saves[0]?.end();
  expect(await first).toEqual({ saved: {} });
  expect(file.isUnsaved).toBe(true);
  // What is asked for during a write comes after it.
  const reading = file.read();
  while (saves.length < 2) await turn();
  saves[1]?.end();
  expect(await Promise.all(others)).toEqual(Array(100).fill({ saved: {} }));
  expect([file.isUnsaved, saves.length]).toEqual([false, 2]);
  expect(await reading).toEqual({ state: { status: "UP", weight: 100 } });
  expect(created.text()).toBe(formatState({ status: "UP", weight: 100 }));
});

test("who comes to a save that others have given up has a time of its own", async () => {
  using created = createFile();
  const file = new StateFile(created.path);
  const held = Promise.withResolvers<void>();
  const { replaceFile } = replacing;
  using _ = spyOn(replacing, "replaceFile").mockImplementation(async (path, text) => {
    await held.promise;
    return await replaceFile(path, text);
  });
  const first = file.write({ status: "UP" });
  await turn();
  {
    using _ = spyOn(disks, "within").mockResolvedValue(undefined);
    expect(await file.write({ status: "DOWN" })).toEqual({ problem: disks.SILENCE });
  }
  const late = file.write({ status: "DRAIN" });
  held.resolve();
  expect(await Promise.all([first, late])).toEqual([{ saved: {} }, { saved: {} }]);
  expect(file.isUnsaved).toBe(false);
});

test("a file that is gone once more after a save is news once more", async () => {
  using created = createFile();
  const file = new StateFile(created.path);
  for (const ifChanged of [false, true]) {
    rmSync(created.path);
    expect(await file.read(ifChanged)).toHaveProperty("problem");
    expect(await file.write({ status: "UP" })).toEqual({ saved: {} });
  }
});

test("a file that could not be read for a moment is read at the next look, though it is the same", async () => {
  using created = createFile();
  const file = new StateFile(created.path);
  // Old enough to be known again.
  using _ = spyOn(Date, "now").mockReturnValue(Date.now() + 10_000);
  {
    using _ = spyOn(reads, "loadState").mockRejectedValue(failure("EIO"));
    expect(await file.read(true)).toEqual({ problem: "i/o error (EIO)" });
    // It is news once.
    expect(await file.read(true)).toBeUndefined();
  }
  expect(await file.read(true)).toEqual({ state: { status: "UP" } });
  using loads = spyOn(reads, "loadState");
  expect(await file.read(true)).toBeUndefined();
  expect(loads).not.toHaveBeenCalled();
});

test("who was answered in time leaves no timer: an agent at rest never wakes up", async () => {
  using _ = stopTimers();
  expect(await disks.within(5000, Promise.resolve("read"))).toBe("read");
  expect(jest.getTimerCount()).toBe(0);
});

test("a disk that is silent is asked nothing more: questions would pile up", async () => {
  const disk = new disks.Disk();
  const held = Promise.withResolvers<void>();
  const first = disk.ask(() => held.promise);
  await turn();
  let asked = 0;
  const now = performance.now() + 5000;
  {
    using _ = spyOn(performance, "now").mockReturnValue(now);
    for (let i = 0; i < 3; i += 1) {
      expect(
        await disk.ask(async () => {
          asked += 1;
        }),
      ).toBeUndefined();
    }
  }
  held.resolve();
  await first;
  expect(await disk.ask(async () => asked)).toBe(0);
});
