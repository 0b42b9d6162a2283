// The notes of a release are its section of the changelog.
import { expect, test } from "bun:test";
import { version } from "../package.json";
import { ROOT } from "../scripts/lib/shell.ts";
import { formatNotes, readSection } from "../scripts/notes.ts";

const CHANGELOG = `# Changelog

## [Unreleased]

## [1.10.0] - 2026-02-01

### Added

- Ten.

## [1.1.0] - 2026-01-01

- One.
`;

test.each([
  ["1.10.0", "### Added\n\n- Ten."],
  ["1.1.0", "- One."],
  ["1.1", undefined],
  ["Unreleased", undefined],
  ["2.0.0", undefined],
])("the section %s is %j", (name, text) => {
  expect(readSection(CHANGELOG, name)).toBe(text);
});

test("the notes say what is new, how to verify it and what built it", async () => {
  const notes = await formatNotes();
  const changelog = await Bun.file(`${ROOT}CHANGELOG.md`).text();
  const news = readSection(changelog, version) ?? readSection(changelog, "Unreleased");
  expect(notes).toStartWith(`${news}\n`);
  expect(notes).toContain("\n    sha256sum --check --ignore-missing SHA256SUMS\n");
  expect(notes).toMatch(/`gh attestation verify FILE --repo [\w.-]+\/[\w-]+`/);
  expect(notes).toContain(`\nBuilt by Bun ${Bun.version} from commit `);
});
