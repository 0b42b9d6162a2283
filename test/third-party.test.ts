// THIRD_PARTY_NOTICES is about the runtime that is built in, and has the terms of each of its parts.
import { expect, test } from "bun:test";
import { dependencies } from "../package.json";
import { ROOT } from "../scripts/lib/shell.ts";
import { PARTS, RUNTIME } from "../scripts/lib/third-party.ts";

const NOTICES = await Bun.file(`${ROOT}THIRD_PARTY_NOTICES`).text();

/** The titles of its texts. */
const TITLES = [...NOTICES.matchAll(/^={78}\n(.+)\n={78}$/gm)].map(([, title = ""]) => title);

test("it is that of this version and revision of Bun", () => {
  expect(RUNTIME).toMatchObject({ version: Bun.version, revision: Bun.revision });
});

test("what Bun tells of its parts is what it says", () => {
  const told = PARTS.filter(({ key }) => key !== undefined);
  expect(told.length).toBeGreaterThan(12);
  for (const { key = "", version } of told) {
    expect({ [key]: version }).toEqual({ [key]: process.versions[key] });
  }
});

test("every part, and every package of ours, has its terms there", () => {
  expect(PARTS.length).toBeGreaterThan(30);
  const expected = [...PARTS.map(({ name }) => name), ...Object.keys(dependencies), "Bun"];
  expect(expected.filter((name) => !TITLES.includes(name))).toEqual([]);
  expect(TITLES).toEqual([...new Set(TITLES)]);
});
