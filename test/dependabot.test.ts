// Dependabot looks after every lockfile of the repository, and after the workflows.
import { expect, test } from "bun:test";
import { basename, dirname } from "node:path";
import { ROOT } from "../scripts/lib/shell.ts";
import { listFiles } from "./repository.ts";

interface Update {
  readonly "package-ecosystem": string;
  readonly directory?: string;
  readonly directories?: string[];
}

test("dependabot updates each directory with a lockfile, and the actions", async () => {
  const lockfiles = listFiles().filter((path) => basename(path) === "bun.lock");
  const text = await Bun.file(`${ROOT}.github/dependabot.yml`).text();
  const { updates } = Bun.YAML.parse(text) as { updates: Update[] };
  const directories = (ecosystem: string) =>
    updates
      .filter((update) => update["package-ecosystem"] === ecosystem)
      .flatMap(({ directory, directories: several }) => several ?? directory ?? [])
      .toSorted();
  const expected = lockfiles.map((path) => `/${dirname(path)}`.replace("/.", "/")).toSorted();
  expect(expected).toContain("/");
  expect(directories("bun")).toEqual(expected);
  expect(directories("github-actions")).toEqual(["/"]);
});
