// THIRD_PARTY_NOTICES is about the runtime that is built in, and has the terms of each of its parts.
import { expect, test } from "bun:test";
import { dependencies } from "../package.json";
import { listTitles } from "../scripts/lib/notices.ts";
import { ROOT } from "../scripts/lib/shell.ts";
import { licenseExpression, PARTS, RUNTIME } from "../scripts/lib/third-party.ts";

const NOTICES = await Bun.file(`${ROOT}THIRD_PARTY_NOTICES`).text();
const TITLES = listTitles(NOTICES);

test("they are those of this version and revision of Bun", () => {
  const { version, revision }: { version: string; revision: string } = RUNTIME;
  expect({ version, revision }).toEqual({ version: Bun.version, revision: Bun.revision });
});

test("what Bun tells of its parts is what they say", () => {
  const told = PARTS.filter(({ key }) => key !== undefined);
  expect(told.length).toBeGreaterThan(12);
  for (const { key = "", version = "" } of told) {
    expect({ [key]: version }).toEqual({ [key]: process.versions[key] ?? "" });
  }
});

test("every part, and every package of ours, has its terms there", () => {
  const expected = [...PARTS.map(({ name }) => name), ...Object.keys(dependencies), "Bun"];
  expect(expected.filter((name) => !TITLES.includes(name))).toEqual([]);
  expect(TITLES).toEqual([...new Set(TITLES)]);
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

test("the license expression names each license once", () => {
  const terms = licenseExpression("LGPL-2.1-or-later").split(" AND ");
  expect(terms[0]).toBe("MIT");
  expect(terms).toEqual([...new Set(terms)]);
  expect(terms).toContain("LGPL-2.1-or-later");
});
