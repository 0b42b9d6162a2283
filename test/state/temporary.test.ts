// The temporary file of a save has a name of its own. What a killed save left is removed, and
// nothing else.
import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { nameTemporary, removeLeftovers } from "../../src/state/temporary.ts";

/** A process that is gone. */
function findGonePid(): number {
  return Bun.spawnSync(["true"]).pid;
}

test.each([
  ["/etc/hapgent/state.json", "/etc/hapgent/.state.json.hapgent."],
  ["/state", "/.state.hapgent."],
  ["state.json", ".state.json.hapgent."],
])("the temporary files of %s begin with %s, and no two are alike", (path, start) => {
  const names = Array.from({ length: 100 }, () => nameTemporary(path));
  for (const name of names) expect(name).toStartWith(start);
  expect(new Set(names).size).toBe(100);
});

test.each(["x", "\u00e9", "\u20ac", "\u{1f600}"])(
  "no file's name is too long for a temporary one beside it: %s",
  (character) => {
    using directory = temporaryDirectory();
    const name = character.repeat(Math.floor(255 / Buffer.byteLength(character)));
    writeFileSync(nameTemporary(`${directory.path}/${name}`), "");
    expect(readdirSync(directory.path)).toHaveLength(1);
  },
);

test("what a killed save left is removed, and it is no error when nothing was left", async () => {
  using directory = temporaryDirectory();
  const file = `${directory.path}/state.json`;
  const left = nameTemporary(file).replace(`.${process.pid}-`, `.${findGonePid()}-`);
  writeFileSync(left, "half");
  await removeLeftovers(file);
  expect(readdirSync(directory.path)).toEqual([]);
  await removeLeftovers(file);
  await removeLeftovers("/nowhere/at/all/state.json");
});

test("a file that may be in use is not removed, until it is a minute old", async () => {
  using directory = temporaryDirectory();
  const file = `${directory.path}/state.json`;
  const used = nameTemporary(file);
  writeFileSync(used, "half");
  await removeLeftovers(file);
  expect(readdirSync(directory.path)).toHaveLength(1);
  const old = Date.now() / 1000 - 61;
  utimesSync(used, old, old);
  await removeLeftovers(file);
  expect(readdirSync(directory.path)).toEqual([]);
});

test("what no save has made stays, however old it is", async () => {
  using directory = temporaryDirectory();
  const names = ["state.json", ".state.json.hapgent.bak", ".hapgent", "a.hapgent.1-y"];
  for (const name of names) writeFileSync(`${directory.path}/${name}`, "");
  mkdirSync(`${directory.path}/.state.json.hapgent.1-y`);
  for (const name of names) utimesSync(`${directory.path}/${name}`, 1, 1);
  utimesSync(`${directory.path}/.state.json.hapgent.1-y`, 1, 1);
  await removeLeftovers(`${directory.path}/state.json`);
  expect(readdirSync(directory.path)).toHaveLength(5);
});
