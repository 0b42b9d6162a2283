import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { author, homepage, repository, version } from "../../package.json";
import { ROOT, run } from "./shell.ts";
import { licenseExpression } from "./third-party.ts";

/** What every package says of itself. */
const FIELDS = {
  AUTHOR: author,
  HOMEPAGE: homepage,
  REPOSITORY: repository.url,
  LICENSES: licenseExpression(),
};

/** What a script that builds packages is told: `[--built] [--fast] [ARCHITECTURE]`. */
export const { values: options, positionals: architectures } = parseArgs({
  options: {
    built: { type: "boolean", default: false },
    fast: { type: "boolean", default: false },
  },
  allowPositionals: true,
});

/** Builds the executable of a target, unless that in dist/ is wanted, and returns its path. */
export function buildExecutable(target: string): string {
  if (!options.built) run(["bun", "scripts/build.ts", target]);
  return `${ROOT}dist/hapgent-${version}-${target}`;
}

/** Copies a text, with what package.json, the notices and these fields say in place of @NAME@. */
export function fillIn(
  from: string,
  to: string,
  more: Readonly<Record<string, string>> = {},
): void {
  const text = Object.entries({ ...FIELDS, ...more }).reduce(
    (filled, [name, value]) => filled.replaceAll(`@${name}@`, () => value),
    readFileSync(from, "utf8"),
  );
  writeFileSync(to, text);
}
