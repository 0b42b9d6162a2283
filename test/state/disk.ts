// A file to save, and a disk that fails as a test says.
import { spyOn } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import * as promises from "node:fs/promises";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { describeError } from "../../src/errors.ts";
import { replaceFile } from "../../src/state/replace.ts";
import { formatState } from "../../src/state/state.ts";

export const OLD = '{"status":"UP"}';
export const NEW = formatState({ status: "DOWN", weight: 50 });

/** What all open files have in common. */
const HANDLES = await prototypeOfHandles();

/** A file with a text, in a directory of its own. */
export function createFile(text: string = OLD, name = "state.json") {
  const directory = temporaryDirectory();
  const path = `${directory.path}/${name}`;
  writeFileSync(path, text);
  return {
    path,
    text: () => readFileSync(path, "utf8"),
    /** What is in its directory. */
    names: () => readdirSync(directory.path).toSorted(),
    /** Saves while the disk has these faults. */
    async save(...faults: Disposable[]) {
      using stack = new DisposableStack();
      for (const fault of faults) stack.use(fault);
      return await replaceFile(path, NEW).catch(describeError);
    },
    [Symbol.dispose]: () => directory[Symbol.dispose](),
  };
}

export function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** Makes the renames of a new file, or a rejected one, to a name fail. */
export function refuseRename(to: string, code: string): Disposable {
  const { rename } = promises;
  return spyOn(promises, "rename").mockImplementation((from, name) =>
    name === to && !String(from).endsWith(".rejected")
      ? Promise.reject(failure(code))
      : rename(from, name),
  );
}

/** Makes a call of all open files do this; it is given the true call, and what that was given. */
export function fake(
  name: "write" | "sync" | "truncate",
  call: (original: (...args: unknown[]) => unknown, ...args: unknown[]) => unknown,
): Disposable {
  const original = HANDLES[name] as (...args: unknown[]) => unknown;
  const mock = function (this: unknown, ...args: unknown[]) {
    return call((...given) => Reflect.apply(original, this, given), ...args);
  };
  return spyOn(HANDLES, name).mockImplementation(mock as never);
}

/** Makes a call of all open files fail when it is made for the time of this number. */
export function failAt(count: number, name: "write" | "sync", code: string): Disposable {
  let calls = 0;
  return fake(name, (original, ...args) => {
    calls += 1;
    return calls === count ? Promise.reject(failure(code)) : original(...args);
  });
}

async function prototypeOfHandles(): Promise<promises.FileHandle> {
  await using file = await promises.open(import.meta.path);
  return Object.getPrototypeOf(file);
}
