// Plays a release as the workflow would run it, with the tree as it is and a throwaway key, and stops
// at the first step that needs GitHub: bun scripts/rehearse.ts [--fast]
//
// Each job gets a workspace of another user, an empty home and empty caches; its steps run as root, as
// in a container. --fast leaves out tests and benchmark, and compresses as little as possible.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { version } from "../package.json";
import { git } from "./lib/git.ts";
import { readSettings } from "./lib/registries.ts";
import { output, ROOT } from "./lib/shell.ts";
import { say } from "./lib/steps.ts";
import { temporaryDirectory } from "./lib/temporary.ts";
import { needTools } from "./lib/tools.ts";
import { readSection } from "./notes.ts";
import { SIGNER } from "./verify.ts";

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
}

/** The user who owns the workspace of a job; in a container, the steps run as root. */
const RUNNER = 1001;

/** What a step may take, in seconds. */
const LIMIT = 3600;

/** What a fast rehearsal leaves out. */
const SLOW = /^bun run (test|benchmark)\b/;

if (import.meta.main) {
  const { values: options } = parseArgs({ options: { fast: { type: "boolean", default: false } } });
  await needTools({ git: "git", npm: "npm", "ssh-keygen": "openssh-client" });
  const { path } = temporaryDirectory();
  const tree = join(path, "tree");
  const make = `ssh-keygen -q -t ed25519 -N '' -C rehearsal -f key &&
    echo '${SIGNER} namespaces="file"' "$(cat key.pub)" >signers`;
  await output(["sh", "-c", make], { cwd: path });
  await makeReleaseTree(tree, join(path, "signers"));
  const key = readFileSync(join(path, "key"), "utf8");
  const directory = join(path, "jobs");
  const release = await rehearse({ tree, directory, key, isFast: options.fast });
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
  const commit = `git init --quiet && git add --all &&
    git -c user.name=test -c user.email=test@example.org commit --quiet --message=Release &&
    git tag v${version}`;
  await output(["sh", "-c", commit], { cwd: directory });
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
    const job = join(options.directory, name);
    for (const part of ["workspace", "home"]) mkdirSync(join(job, part), { recursive: true });
    const env = await makeEnvironment(job, options.isFast);
    for (const step of steps) {
      const { uses = "", run: script, with: inputs = {} } = step;
      if (JSON.stringify(step).includes("github.token")) {
        say(`${name}: stops at "${script}": the rest needs GitHub`);
        return join(job, "workspace/dist/release");
      }
      say(`${name}: ${script ?? `${uses.split("@")[0]} ${JSON.stringify(inputs)}`}`);
      if (script === undefined) await useAction(job, uses, inputs, options);
      else if (!(options.isFast && SLOW.test(script))) {
        const command =
          options.isFast && script === "bun run release" ? `${script} --fast` : script;
        await runStep(job, command, { ...env, ...fillSecrets(step, options.key) });
      }
    }
  }
  throw new Error("expected a step that needs GitHub in release.yml");
}

/** The variables of a job's steps. */
async function makeEnvironment(job: string, isFast: boolean): Promise<Record<string, string>> {
  const settings = await readSettings();
  writeFileSync(join(job, "home/.npmrc"), settings.npmrc);
  const caches = isFast && {
    npm_config_cache: await output(["npm", "config", "get", "cache"]),
    BUN_INSTALL_CACHE_DIR: await output(["bun", "pm", "cache"]),
  };
  return {
    ...settings.env,
    ...caches,
    ...{ CI: "true", GITHUB_ACTIONS: "true", HOME: join(job, "home"), LANG: "C.UTF-8" },
    ...{ GITHUB_PATH: join(job, "path"), GITHUB_OUTPUT: join(job, "output") },
    // A temporary directory of this program's, so that what it leaves goes with it.
    TMPDIR: process.env["TMPDIR"] ?? "/tmp",
  };
}

function fillSecrets({ env = {} }: Step, key: string): Record<string, string> {
  const secret = /\$\{\{ secrets\.\w+ \}\}/;
  return Object.fromEntries(
    Object.entries(env).map(([name, value]) => [name, value.replace(secret, () => key)]),
  );
}

async function runStep(job: string, command: string, env: Record<string, string>): Promise<void> {
  // What the steps before it have put on the path comes first.
  const paths = join(job, "path");
  const added = existsSync(paths)
    ? readFileSync(paths, "utf8").trim().split("\n").toReversed()
    : [];
  const PATH = [...added, "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"].join(":");
  const options = { cwd: join(job, "workspace"), env: { ...env, PATH }, isClean: true };
  await output(["sh", "-e", "-c", command], { ...options, limit: LIMIT });
}

/** Does what an action does, or checks what it would refuse. */
async function useAction(
  job: string,
  uses: string,
  inputs: Inputs,
  { tree, directory }: RehearsalOptions,
): Promise<void> {
  const name = /^actions\/([a-z-]+)@/.exec(uses)?.[1];
  const workspace = join(job, "workspace");
  const artifact = join(directory, "artifact", inputs["name"] ?? "");
  const path = join(workspace, inputs["path"] ?? "");
  if (name === "upload-artifact") cpSync(path, artifact, { recursive: true });
  else if (name === "download-artifact") cpSync(artifact, path, { recursive: true });
  else if (name === "checkout") {
    // The tag that is released, as a push of it checks it out: one commit, owned by the runner.
    const clone = `git clone --quiet --no-local "$0" "$1" && chown -R ${RUNNER}:${RUNNER} "$1"`;
    await output(["sh", "-ec", clone, tree, workspace]);
  } else if (name === "attest") {
    for (const pattern of [inputs["subject-path"] ?? "", inputs["sbom-path"] ?? "*"]) {
      if ([...new Bun.Glob(pattern).scanSync(workspace)].length > 0) continue;
      throw new Error(`expected files at ${pattern} to attest, got none`);
    }
  } else throw new Error(`expected an action that a rehearsal knows, got ${uses}`);
}
