// A fresh machine gets Debian from where this machine gets it.
import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { findMirror } from "../scripts/lib/registries.ts";
import { temporaryDirectory } from "../scripts/lib/temporary.ts";

test.each([
  ["sources.list", "deb [signed-by=/k.gpg] http://one.example/debian bookworm main\n"],
  ["sources.list", "# deb http://old.example/debian x\ndeb https://one.example/debian/ sid main\n"],
  ["sources.list.d/debian.sources", "Types: deb\nURIs: http://one.example/debian/\nSuites: x\n"],
])("apt's mirror is found in %s: %j", (file, text) => {
  using directory = temporaryDirectory();
  mkdirSync(`${directory.path}/sources.list.d`);
  const more = "deb http://two.example/debian-security bookworm-security main\n";
  writeFileSync(`${directory.path}/sources.list.d/security.list`, more);
  writeFileSync(`${directory.path}/${file}`, text);
  expect(findMirror(directory.path)).toMatch(/^https?:\/\/one\.example\/debian$/);
});

test("without one there is none", () => {
  using directory = temporaryDirectory();
  expect(findMirror(directory.path)).toBeUndefined();
});
