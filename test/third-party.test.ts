// THIRD_PARTY_NOTICES is about the runtime that is built in, and has the terms of each of its parts.
import { expect, test } from "bun:test";
import { dependencies } from "../package.json";
import { ROOT } from "../scripts/lib/shell.ts";
import { licenseExpression, PARTS, RUNTIME } from "../scripts/lib/third-party.ts";

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

test("it says of all of them together what the labels of packages and images say", () => {
  const words = NOTICES.replaceAll(/\s+/g, " ");
  expect(words).toContain(`All of them together are: ${licenseExpression()} What Bun holds`);
});

test.each([
  ["LGPL-2.0", "GNU LIBRARY GENERAL PUBLIC LICENSE"],
  ["LGPL-2.1", "GNU LESSER GENERAL PUBLIC LICENSE"],
  ["Apache-2.0", "Apache License"],
  ["MPL-2.0", "Mozilla Public License Version 2.0"],
])("the text of %s is whole", (title, first) => {
  const [, text = ""] = NOTICES.split(`\n${title}\n${"=".repeat(78)}\n`);
  expect(text.trimStart()).toStartWith(first);
  expect(text.split(/^={78}$/m)[0]?.split("\n").length).toBeGreaterThan(180);
});

test("the text of valibot's license is that of the package that is installed", async () => {
  const license = await Bun.file(`${ROOT}node_modules/valibot/LICENSE.md`).text();
  expect(NOTICES).toContain(license.trim());
});
