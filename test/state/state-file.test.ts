// - One read and one write of a file at a time; of the states that come during a write only the last
//   is written.
// - A disk that hangs holds up nobody for longer than 5 s, and then nobody at all; it takes one
//   thread, however often it is asked.
import { afterEach, beforeEach, describe, expect, jest, type Mock, spyOn, test } from "bun:test";
import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { Disk, SILENCE, within } from "../../src/state/disk.ts";
import * as reads from "../../src/state/read.ts";
import * as replacing from "../../src/state/replace.ts";
import { formatState, type State } from "../../src/state/state.ts";
import { StateFile } from "../../src/state/state-file.ts";

const UP: State = { status: "UP" };
const DOWN: State = { status: "DOWN" };
const mocks: Mock<(...args: never[]) => unknown>[] = [];

afterEach(() => {
  for (const mock of mocks.splice(0)) mock.mockRestore();
});

/** A file with a text, and what is known of it. */
function createFile(text: string | undefined = formatState(UP)) {
  const directory = temporaryDirectory();
  const file = new StateFile(`${directory.path}/state.json`);
  if (text !== undefined) writeFileSync(file.path, text);
  return {
    file,
    text: () => readFileSync(file.path, "utf8"),
    edit: (state: string) => writeFileSync(file.path, state),
    [Symbol.dispose]: () => directory[Symbol.dispose](),
  };
}

/** Makes every save wait for what is returned, and tells what was saved. */
function holdSaves() {
  const saves: { text: string; end: (error?: Error) => void }[] = [];
  const { replaceFile } = replacing;
  mocks.push(
    spyOn(replacing, "replaceFile").mockImplementation((path, text) => {
      const { promise, resolve, reject } = Promise.withResolvers<replacing.Saved>();
      const end = (error?: Error) => (error ? reject(error) : resolve(replaceFile(path, text)));
      saves.push({ text, end });
      return promise;
    }),
  );
  return saves;
}

async function turn(): Promise<void> {
  for (let i = 0; i < 20; i += 1) await new Promise(setImmediate);
}

describe("a state file", () => {
  test("has to be read before its state is changed, until it was read well or written", async () => {
    using created = createFile("bad");
    const { file } = created;
    expect(file.isStale).toBe(true);
    expect(await file.read()).toEqual({ problem: expect.stringContaining("expected a value") });
    expect(file.isStale).toBe(true);
    created.edit(formatState(UP));
    expect(await file.read()).toEqual({ state: UP });
    expect(file.isStale).toBe(false);
    rmSync(file.path);
    await file.read();
    expect(file.isStale).toBe(true);
    expect(await file.write(DOWN)).toEqual({ saved: {} });
    expect([file.isStale, file.isUnsaved, created.text()]).toEqual([
      false,
      false,
      formatState(DOWN),
    ]);
  });

  test("is read again only when it holds something else than when it was read or written", async () => {
    using created = createFile();
    const { file } = created;
    await file.read();
    expect(await file.readIfChanged()).toBeUndefined();
    created.edit('{"status":"UP"}');
    expect(await file.readIfChanged()).toBeUndefined();
    created.edit('{"status":"UP","weight":5}');
    expect(await file.readIfChanged()).toEqual({ state: { status: "UP", weight: 5 } });
    created.edit("bad");
    const problem = expect.stringContaining("expected a value");
    expect(await file.readIfChanged()).toEqual({ problem });
    expect(await file.readIfChanged()).toBeUndefined();
    created.edit("worse");
    expect(await file.readIfChanged()).toEqual({ problem });
    await file.write(DOWN);
    expect(await file.readIfChanged()).toBeUndefined();
    created.edit(formatState(UP));
    expect(await file.readIfChanged()).toEqual({ state: UP });
  });

  test("that nobody has edited does not make good a save that failed", async () => {
    using created = createFile();
    const { file } = created;
    await file.read();
    const saves = holdSaves();
    const writing = file.write(DOWN);
    while (saves.length === 0) await turn();
    saves[0]?.end(new Error("no"));
    expect(await writing).toEqual({ problem: "no" });
    expect(file.isUnsaved).toBe(true);
    chmodSync(file.path, 0o600);
    expect(await file.readIfChanged()).toBeUndefined();
    expect([file.isStale, file.isUnsaved]).toEqual([false, true]);
    created.edit(formatState({ status: "MAINT" }));
    expect(await file.readIfChanged()).toEqual({ state: { status: "MAINT" } });
    expect(file.isUnsaved).toBe(false);
  });

  test("is written twice for many changes at once: the first, and the last", async () => {
    using created = createFile();
    const { file } = created;
    const saves = holdSaves();
    const writes = [file.write({ status: "UP", weight: 0 })];
    while (saves.length === 0) await turn();
    for (let weight = 1; weight <= 100; weight += 1)
      writes.push(file.write({ status: "UP", weight }));
    // Until all is written memory is right.
    expect(await file.readIfChanged()).toBeUndefined();
    expect(saves.map(({ text }) => text)).toEqual([formatState({ status: "UP", weight: 0 })]);
    saves[0]?.end();
    await writes[0];
    expect(file.isUnsaved).toBe(true);
    const reading = file.read();
    while (saves.length < 2) await turn();
    saves[1]?.end();
    expect(new Set((await Promise.all(writes)).map((each) => JSON.stringify(each)))).toEqual(
      new Set(['{"saved":{}}']),
    );
    expect(saves).toHaveLength(2);
    expect(file.isUnsaved).toBe(false);
    // What was asked for during the write comes after it.
    expect(await reading).toEqual({ state: { status: "UP", weight: 100 } });
  });

  test("that is replaced outside its mount has no name any more", async () => {
    using created = createFile();
    const { file } = created;
    await file.read();
    expect(file.isDetached).toBe(false);
    mocks.push(spyOn(reads, "identify").mockResolvedValue({ links: 0 }));
    await file.read();
    expect(file.isDetached).toBe(true);
  });
});

describe("a disk that hangs", () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  /** What a promise has come to by now. */
  async function peek<T>(promise: Promise<T>): Promise<T | "pending"> {
    await turn();
    return await Promise.race([promise, Promise.resolve("pending" as const)]);
  }

  test("holds up a read for 5 s, the next ones not at all, and changes nothing", async () => {
    using created = createFile();
    const { file } = created;
    await file.read();
    const hanging = Promise.withResolvers<reads.Found>();
    let reading: reads.Reading | undefined;
    const cancel = jest.fn();
    const find = spyOn(reads, "findState").mockImplementation((_, given) => {
      reading = given;
      if (given) given.cancel = cancel;
      return hanging.promise;
    });
    mocks.push(find);
    const first = file.read();
    while (!reading) await turn();
    jest.advanceTimersByTime(4999);
    expect([await peek(first), file.isSilent]).toEqual(["pending", false]);
    jest.advanceTimersByTime(1);
    expect([await peek(first), file.isSilent]).toEqual([undefined, true]);
    expect([reading?.isGivenUp, cancel.mock.calls.length]).toEqual([true, 1]);
    expect(await peek(file.read())).toBeUndefined();
    expect(await peek(file.readIfChanged())).toBeUndefined();
    expect([file.isStale, find.mock.calls.length]).toEqual([false, 1]);
    // One that answers again is asked again.
    find.mockRestore();
    hanging.resolve({ state: DOWN });
    await turn();
    expect(file.isSilent).toBe(false);
    expect(await file.read()).toEqual({ state: UP });
  });

  test("holds up a save for 5 s, which is then not known to be saved", async () => {
    using created = createFile();
    const { file } = created;
    const saves = holdSaves();
    const first = file.write(DOWN);
    while (saves.length === 0) await turn();
    const second = file.write({ status: "MAINT" });
    jest.advanceTimersByTime(5000);
    expect([await peek(first), await peek(second)]).toEqual(Array(2).fill({ problem: SILENCE }));
    expect(await peek(file.write({ status: "DRAIN" }))).toEqual({ problem: SILENCE });
    expect([file.isUnsaved, saves.length]).toEqual([true, 1]);
    saves[0]?.end();
    while (saves.length < 2) await turn();
    saves[1]?.end();
    while (file.isUnsaved) await turn();
    expect(created.text()).toBe(formatState({ status: "DRAIN" }));
    expect(saves).toHaveLength(2);
  });

  test("is asked one thing at a time, and an error is one for who asked", async () => {
    const disk = new Disk();
    const first = Promise.withResolvers<string>();
    const asked: string[] = [];
    const one = disk.ask(() => {
      asked.push("one");
      return first.promise;
    });
    const two = disk.ask(async () => {
      asked.push("two");
      return "second";
    });
    await turn();
    expect(asked).toEqual(["one"]);
    first.reject(new Error("no"));
    await expect(one).rejects.toThrow("no");
    expect([await two, asked]).toEqual(["second", ["one", "two"]]);
    await expect(within(5, Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(jest.getTimerCount()).toBe(0);
  });
});
