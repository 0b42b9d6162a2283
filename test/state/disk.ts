// A file to save, and a disk that fails as a test says.
import { type Mock, spyOn } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import * as promises from "node:fs/promises";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { describeError } from "../../src/errors.ts";
import { replaceFile } from "../../src/state/replace.ts";
import { formatState } from "../../src/state/state.ts";

export const OLD = '{"status":"UP"}';
export const NEW = formatState({ status: "DOWN", weight: 50 });

/** What stands in for a call to the system. */
export const mocks: Mock<(...args: never[]) => unknown>[] = [];

/** Ends all that stands in. */
export function restore(): void {
  for (const mock of mocks.splice(0)) mock.mockRestore();
}

/** A file with a text, in a directory of its own. */
export function createFile(text: string | undefined = OLD, name = "state.json") {
  const directory = temporaryDirectory();
  const path = `${directory.path}/${name}`;
  if (text !== undefined) writeFileSync(path, text);
  return {
    path,
    text: () => readFileSync(path, "utf8"),
    /** What is in its directory. */
    names: () => readdirSync(directory.path).toSorted(),
    save: () => replaceFile(path, NEW).catch((error: unknown) => describeError(error)),
    [Symbol.dispose]: () => directory[Symbol.dispose](),
  };
}

export function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** Makes the renames of a new file, or a rejected one, to a name fail. */
export function refuseRename(to: string, code: string): void {
  const { rename } = promises;
  const fake = (from: unknown, name: unknown) =>
    name === to && !String(from).endsWith(".rejected")
      ? Promise.reject(failure(code))
      : rename(String(from), String(name));
  mocks.push(spyOn(promises, "rename").mockImplementation(fake));
}

/** Makes a call of all open files do this; it is given the file and the true call. */
export async function fake<Name extends "write" | "sync" | "chown" | "truncate">(
  name: Name,
  call: (
    file: promises.FileHandle,
    original: promises.FileHandle[Name],
    ...args: unknown[]
  ) => unknown,
): Promise<void> {
  const file = await promises.open(import.meta.path);
  await file.close();
  const all = Object.getPrototypeOf(file) as promises.FileHandle;
  const original = all[name];
  const mock = spyOn(all, name) as unknown as Mock<(...args: never[]) => unknown>;
  mock.mockImplementation(function (this: promises.FileHandle, ...args) {
    return call(this, original, ...args);
  });
  mocks.push(mock);
}
