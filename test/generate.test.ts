// What is generated is current.
import { expect, test } from "bun:test";
import { version } from "../package.json";
import { GENERATED } from "../scripts/generate.ts";
import { formatManPage } from "../scripts/lib/man-page.ts";
import { CHOSEN, EXAMPLES, formatSettings, INSTALLED } from "../scripts/lib/settings.ts";
import { ROOT } from "../scripts/lib/shell.ts";
import { listVariables, readConfig } from "../src/settings.ts";

test.each(Object.entries(GENERATED))(
  "%s is what scripts/generate.ts writes",
  async (path, text) => {
    expect(await Bun.file(ROOT + path).text()).toBe(text);
  },
);

test("the man page has the date of this version's section in the changelog", () => {
  const changelog = (date: string) =>
    `# Changelog\n\n## [9.9.9] - 2001-01-01\n\n## [${version}]${date}\n`;
  expect(formatManPage(changelog(" - 2026-11-22"))).toStartWith('.TH HAPGENT 8 "2026-11-22" ');
  expect(formatManPage(changelog(""))).toStartWith('.TH HAPGENT 8 "" ');
});

const SETTINGS = [...formatSettings().matchAll(/^#?(HAPGENT_\w+)=(.*)$/gm)].map(
  ([, name = "", value = ""]): [string, string] => [name, value],
);

test("the settings file names every variable that an installed agent has a use for", () => {
  const named = SETTINGS.map(([name]) => name);
  const variables = listVariables().map(({ term }) => term);
  expect(named).toEqual(variables.filter((name) => name !== "HAPGENT_TUNE"));
});

test.each(SETTINGS.filter(([name]) => !(name in EXAMPLES || name in CHOSEN)))(
  "%s=%s, uncommented alone, is its default",
  (name, value) => {
    expect(readConfig({ ...INSTALLED, [name]: value })).toEqual(readConfig(INSTALLED));
  },
);

test.each(Object.entries({ ...EXAMPLES, ...CHOSEN }))(
  "%s=%s is no default, and valid alone",
  (name, value) => {
    expect(readConfig({ ...INSTALLED, [name]: value })).not.toEqual(readConfig(INSTALLED));
  },
);

test("the settings file sets what was chosen for an installation, and nothing else", () => {
  const set = [...formatSettings().matchAll(/^(HAPGENT_\w+)=(.*)$/gm)];
  expect(Object.fromEntries(set.map(([, name, value]) => [name, value]))).toEqual({ ...CHOSEN });
});
