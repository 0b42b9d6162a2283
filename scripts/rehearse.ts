// Plays a release as the workflow would run it, with the tree as it is and a throwaway key, and stops
// at the first step that needs GitHub: bun scripts/rehearse.ts [--fast]
//
// Each job gets a workspace of another user, an empty home and empty caches; its steps run as root, as
// in a container. --fast leaves out tests and benchmark, and compresses as little as possible.
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { version } from "../package.json";
import { git } from "./lib/git.ts";
import { readSettings } from "./lib/registries.ts";
import { output, ROOT, run } from "./lib/shell.ts";
import { say } from "./lib/steps.ts";
import { temporaryDirectory } from "./lib/temporary.ts";
import { needTools } from "./lib/tools.ts";
import { readSection } from "./notes.ts";
import { SIGNER } from "./sign.ts";

type Inputs = Readonly<Record<string, string | undefined>>;

/** A step of a workflow, as far as this plays it. */
interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Inputs;
  readonly env?: Readonly<Record<string, string>>;
}

interface RehearsalOptions {
  /** A repository whose HEAD is released. */
  readonly tree: string;
  /** An empty directory, in which everything happens. */
  readonly directory: string;
  /** The text of the private key that signs. */
  readonly key: string;
  /**
   * Whether tests and benchmark are left out, what is compressed is so as little as possible, and
   * downloads come from this user's caches.
   */
  readonly isFast: boolean;
  /** Takes each line that says what is played. */
  readonly say: (line: string) => void;
}

/** Where a job is played. */
interface Stage {
  readonly workspace: string;
  readonly env: Record<string, string>;
  /** What steps write the directories into that the steps after them find commands in. */
  readonly paths: string;
}

/** The user who owns the workspace of a job; in a container, the steps run as root. */
const RUNNER = 1001;

/** What a step may take, in seconds. */
const LIMIT = 3600;

/** What a fast rehearsal leaves out. */
const SLOW = /^bun run (test|benchmark)\b/;

/** The only author of a copy, always at the same time. */
const AUTHOR = {
  ...{ GIT_AUTHOR_NAME: "test", GIT_AUTHOR_EMAIL: "test@example.org" },
  ...{ GIT_COMMITTER_NAME: "test", GIT_COMMITTER_EMAIL: "test@example.org" },
  ...{ GIT_AUTHOR_DATE: "2026-01-01T00:00:00Z", GIT_COMMITTER_DATE: "2026-01-01T00:00:00Z" },
};

if (import.meta.main) {
  const { values: options } = parseArgs({ options: { fast: { type: "boolean", default: false } } });
  await needTools({ git: "git", npm: "npm", "ssh-keygen": "openssh-client" });
  const { path } = temporaryDirectory();
  const key = join(path, "key");
  const signers = join(path, "signers");
  const tree = join(path, "tree");
  run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "rehearsal", "-f", key]);
  writeFileSync(signers, `${SIGNER} namespaces="file" ${readFileSync(`${key}.pub`, "utf8")}`);
  await makeReleaseTree(tree, signers);
  const text = readFileSync(key, "utf8");
  const directory = join(path, "jobs");
  const release = await rehearse({ tree, directory, key: text, isFast: options.fast, say });
  say(`made and signed: ${readdirSync(release).join(", ")}`);
}

/**
 * Makes a repository of the tree as it is, in one commit, with everything that a release needs: the
 * version's tag, its section of the changelog, and keys that may sign.
 *
 * @param signers a file with lines of allowed_signers.
 */
export async function makeReleaseTree(directory: string, signers: string): Promise<void> {
  mkdirSync(directory, { recursive: true });
  const files = git("ls-files", "-z", "--cached", "--others", "--exclude-standard");
  const copy = `tar --create --null --ignore-failed-read --files-from=- |
    tar --extract --directory="$0"`;
  await output(["sh", "-c", copy, directory], { cwd: ROOT, input: files });
  const changelog = Bun.file(join(directory, "CHANGELOG.md"));
  const text = await changelog.text();
  // What is unreleased becomes this version's.
  if (readSection(text, "Unreleased") !== undefined) {
    const headings = `## [Unreleased]\n\n## [${version}] - 2026-01-01\n`;
    await changelog.write(text.replace("## [Unreleased]\n", () => headings));
  }
  await output(["sh", "-c", `cat "$0" >>deploy/allowed_signers`, signers], { cwd: directory });
  const commit = `git init --quiet && git add --all && git commit --quiet --message=Release &&
    git tag v${version}`;
  await output(["sh", "-c", commit], { cwd: directory, env: AUTHOR });
}

/**
 * Plays the jobs of release.yml one after another, each in a new workspace that belongs to another
 * user, with an empty home and so without settings of git and without caches.
 *
 * @returns the directory with the release, built and signed.
 * @throws when a step fails.
 */
export async function rehearse(options: RehearsalOptions): Promise<string> {
  const text = readFileSync(join(options.tree, ".github/workflows/release.yml"), "utf8");
  const { jobs } = Bun.YAML.parse(text) as { jobs: Record<string, { steps: Step[] }> };
  for (const [name, { steps }] of Object.entries(jobs)) {
    const stage = await makeStage(options, name);
    for (const step of steps) {
      if (JSON.stringify(step).includes("github.token")) {
        options.say(`${name}: stops at "${step.run}": the rest needs GitHub`);
        return join(stage.workspace, "dist/release");
      }
      options.say(
        `${name}: ${step.run ?? `${step.uses?.split("@")[0]} ${JSON.stringify(step.with)}`}`,
      );
      if (step.run !== undefined) await runStep(stage, step, options);
      else await useAction(stage, step, options);
    }
  }
  throw new Error("expected a step that needs GitHub in release.yml");
}

async function makeStage({ directory, isFast }: RehearsalOptions, job: string): Promise<Stage> {
  const workspace = join(directory, job, "workspace");
  const home = join(directory, job, "home");
  const paths = join(directory, job, "path");
  const outputs = join(directory, job, "output");
  for (const path of [workspace, home]) mkdirSync(path, { recursive: true });
  for (const file of [paths, outputs]) writeFileSync(file, "");
  const settings = await readSettings();
  writeFileSync(join(home, ".npmrc"), settings.npmrc);
  const caches = isFast && {
    npm_config_cache: await output(["npm", "config", "get", "cache"]),
    BUN_INSTALL_CACHE_DIR: await output(["bun", "pm", "cache"]),
  };
  const env = {
    ...settings.env,
    ...caches,
    ...{ CI: "true", GITHUB_ACTIONS: "true", HOME: home, LANG: "C.UTF-8" },
    ...{ GITHUB_WORKSPACE: workspace, GITHUB_PATH: paths, GITHUB_OUTPUT: outputs },
  };
  return { workspace, paths, env };
}

async function runStep(stage: Stage, step: Step, options: RehearsalOptions): Promise<void> {
  const { run: script = "" } = step;
  if (options.isFast && SLOW.test(script)) return;
  const command = options.isFast && script === "bun run release" ? `${script} --fast` : script;
  const paths = readFileSync(stage.paths, "utf8").split("\n").filter(Boolean).toReversed();
  const env = Object.fromEntries(
    Object.entries(step.env ?? {}).map(([name, value]) => [
      name,
      value.replace(/\$\{\{ secrets\.\w+ \}\}/, () => options.key),
    ]),
  );
  const system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  // A temporary directory of this program's, so that what it leaves goes with it.
  const TMPDIR = process.env["TMPDIR"] ?? "/tmp";
  await output(["sh", "-e", "-c", command], {
    cwd: stage.workspace,
    env: { ...stage.env, ...env, TMPDIR, PATH: [...paths, system].join(":") },
    isClean: true,
    limit: LIMIT,
  });
}

/** Does what an action does, or checks what it would refuse. */
async function useAction(stage: Stage, step: Step, options: RehearsalOptions): Promise<void> {
  const { uses = "", with: inputs = {} } = step;
  const name = /^actions\/([a-z-]+)@/.exec(uses)?.[1];
  const artifact = join(options.directory, "artifact", inputs["name"] ?? "");
  const path = join(stage.workspace, inputs["path"] ?? "");
  if (name === "upload-artifact") cpSync(path, artifact, { recursive: true });
  else if (name === "download-artifact") cpSync(artifact, path, { recursive: true });
  else if (name === "checkout") {
    // The tag that is released, as a push of it checks it out: one commit, owned by the runner.
    const clone = `git clone --quiet --no-local "$0" "$1" && chown -R ${RUNNER}:${RUNNER} "$1"`;
    await output(["sh", "-ec", clone, options.tree, stage.workspace]);
  } else if (name === "attest") {
    for (const pattern of [inputs["subject-path"] ?? "", inputs["sbom-path"] ?? "*"]) {
      if ([...new Bun.Glob(pattern).scanSync(stage.workspace)].length > 0) continue;
      throw new Error(`expected files at ${pattern} to attest, got none`);
    }
  } else throw new Error(`expected an action that a rehearsal knows, got ${uses}`);
}
