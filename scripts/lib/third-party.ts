import { readFileSync } from "node:fs";
import { ROOT } from "./shell.ts";

/**
 * A part of what an executable holds that is not ours, as THIRD_PARTY_NOTICES lists it: Bun's own list
 * (its LICENSE.md), with what the executable shows beyond it. The bill of materials and the license
 * labels come from there. A test compares the versions with those that this Bun tells, so that a new
 * Bun cannot come with the notices of an old one.
 */
export interface Part {
  readonly name: string;
  /** An SPDX license expression. */
  readonly license: string;
  /** Where its source is. */
  readonly source: string;
  /** What is there: a commit, or a version. */
  readonly version: string | undefined;
  /** Its name in `process.versions`, where Bun tells its version. */
  readonly key: string | undefined;
}

/** The text, up to those of the licenses. */
const [HEAD = ""] = readFileSync(`${ROOT}THIRD_PARTY_NOTICES`, "utf8").split(
  "The texts of the licenses follow.\n",
);

/** The runtime that the notices are about. */
export const RUNTIME = {
  version: find(/version (\d+\.\d+\.\d+)/),
  revision: find(/revision ([0-9a-f]{40})/),
  source: find(/\((https:\S+), MIT\)/),
  license: "MIT",
} as const;

/** What is linked into the runtime: of each its name, license, source, and perhaps its version. */
export const PARTS: readonly Part[] = [
  ...HEAD.matchAll(
    /^ {2}(\S.*?)(?: \*)?\n {4}(\S.*)\n {4}(https:\S+)(?:\n {4}(\S+) \((\w+)\))?$/gm,
  ),
].map(([, name = "", license = "", source = "", version, key]) => {
  return { name, license, source, version, key };
});

/**
 * The license expression of an executable, and of what packs one: ours and all of the above, each
 * license once.
 */
export function licenseExpression(): string {
  const terms = ["MIT", ...PARTS.map(({ license }) => license)];
  return [...new Set(terms.flatMap((term) => term.split(" AND ")))].join(" AND ");
}

function find(pattern: RegExp): string {
  const [, found] = pattern.exec(HEAD) ?? [];
  if (found === undefined) throw new Error(`THIRD_PARTY_NOTICES: expected ${pattern}`);
  return found;
}
