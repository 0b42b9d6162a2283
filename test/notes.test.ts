// The notes of a release are its section of the changelog.
import { expect, test } from "bun:test";
import { readSection } from "../scripts/notes.ts";

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
