// What is generated is current.
import { expect, test } from "bun:test";
import { GENERATED } from "../scripts/generate.ts";
import { CHOSEN, EXAMPLES, formatSettings, INSTALLED } from "../scripts/lib/settings.ts";
import { ROOT } from "../scripts/lib/shell.ts";
import { listVariables, readConfig } from "../src/settings.ts";

test.each(Object.entries(GENERATED))(
  "%s is what scripts/generate.ts writes",
  async (path, text) => {
    expect(await Bun.file(ROOT + path).text()).toBe(text);
  },
);

const SETTINGS = [...formatSettings().matchAll(/^#?(HAPGENT_\w+)=(.*)$/gm)].map(
  ([, name = "", value = ""]): [string, string] => [name, value],
);

test("the settings file names every variable that an installed agent has a use for", () => {
  const named = SETTINGS.map(([name]) => name);
  const variables = listVariables().map(({ term }) => term);
  expect(named).toEqual(variables.filter((name) => name !== "HAPGENT_TUNE"));
});

test.each(SETTINGS)(
  "%s=%s alone is valid, and its default unless it is chosen or an example",
  (name, value) => {
    const isDefault = Bun.deepEquals(
      readConfig({ ...INSTALLED, [name]: value }),
      readConfig(INSTALLED),
    );
    expect(isDefault).toBe(!(name in EXAMPLES || name in CHOSEN));
  },
);
