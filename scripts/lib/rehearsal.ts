// Plays the jobs of .github/workflows/release.yml here, as read from it, up to the first step that
// needs GitHub.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Output, outcome, output } from "./shell.ts";

type Inputs = Readonly<Record<string, string | undefined>>;

/** A step of a workflow, as far as this plays it. */
interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Inputs;
  readonly env?: Readonly<Record<string, string>>;
}

interface Job {
  readonly steps: readonly Step[];
}

export interface RehearsalOptions {
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
  readonly isFast?: boolean;
  /** Takes each line that says what is played. */
  readonly say?: (line: string) => void;
}

/** The user who owns the workspace of a job; in a container, the steps run as root. */
const RUNNER = 1001;

/** What a step may take, in seconds. */
const LIMIT = 3600;

/** What a fast rehearsal leaves out. */
const SLOW = /^bun run (test|benchmark)\b/;

/**
 * Plays the jobs one after another, each in a new workspace that belongs to another user, with an
 * empty home and so without settings of git and without caches.
 *
 * @returns the directory with the release, built and signed.
 * @throws when a step fails.
 */
export async function rehearse(options: RehearsalOptions): Promise<string> {
  const { say = console.log } = options;
  const text = readFileSync(join(options.tree, ".github/workflows/release.yml"), "utf8");
  const { jobs } = Bun.YAML.parse(text) as { jobs: Record<string, Job> };
  let workspace = "";
  for (const [name, { steps }] of Object.entries(jobs)) {
    const stage = await makeStage(options, name);
    workspace = stage.workspace;
    for (const step of steps) {
      if (JSON.stringify(step).includes("github.token")) {
        say(`${name}: stops at "${step.run}": the rest needs GitHub`);
        return join(workspace, "dist/release");
      }
      say(`${name}: ${step.run ?? `${step.uses?.split("@")[0]} ${JSON.stringify(step.with)}`}`);
      if (step.run !== undefined) await runStep(stage, step, options);
      else await useAction(stage, step, options);
    }
  }
  throw new Error("expected a step that needs GitHub in release.yml");
}

/** Where a job is played. */
interface Stage {
  readonly workspace: string;
  readonly env: Record<string, string>;
  /** What steps write the directories into that the steps after them find commands in. */
  readonly paths: string;
}

async function makeStage({ directory, isFast }: RehearsalOptions, job: string): Promise<Stage> {
  const place = join(directory, job);
  const workspace = join(place, "workspace");
  const home = join(place, "home");
  for (const path of [workspace, home]) mkdirSync(path, { recursive: true });
  const paths = join(place, "path");
  const outputs = join(place, "output");
  for (const file of [paths, outputs]) writeFileSync(file, "");
  return {
    workspace,
    paths,
    env: {
      ...(await readRegistry()),
      ...(isFast ? await findCaches() : {}),
      ...{ CI: "true", GITHUB_ACTIONS: "true", HOME: home, LANG: "C.UTF-8" },
      ...{ GITHUB_WORKSPACE: workspace, GITHUB_PATH: paths, GITHUB_OUTPUT: outputs },
    },
  };
}

/** How this machine reaches the registry of npm, which a home without settings does not say. */
async function readRegistry(): Promise<Record<string, string>> {
  const registry = await output(["npm", "config", "get", "registry"]);
  const cafile = await output(["npm", "config", "get", "cafile"]);
  const proxies = Object.entries(process.env).filter(([name]) => /^(https?|no)_proxy$/i.test(name));
  return {
    ...Object.fromEntries(proxies.map(([name, value = ""]) => [name, value])),
    npm_config_registry: registry,
    ...(/^(null|undefined|)$/.test(cafile)
      ? {}
      : { npm_config_cafile: cafile, NODE_EXTRA_CA_CERTS: cafile }),
  };
}

/** The caches of this machine's own user. */
async function findCaches(): Promise<Record<string, string>> {
  return {
    npm_config_cache: await output(["npm", "config", "get", "cache"]),
    BUN_INSTALL_CACHE_DIR: await output(["bun", "pm", "cache"]),
  };
}

async function runStep(stage: Stage, step: Step, options: RehearsalOptions): Promise<void> {
  const { run = "" } = step;
  if (options.isFast && SLOW.test(run)) return;
  const command = options.isFast && run === "bun run release" ? `${run} --fast` : run;
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
  check(
    await outcome(["sh", "-e", "-c", command], {
      cwd: stage.workspace,
      env: { ...stage.env, ...env, TMPDIR, PATH: [...paths, system].join(":") },
      isClean: true,
      limit: LIMIT,
    }),
    command,
  );
}

/** Does what an action does, or checks what it would refuse. */
async function useAction(stage: Stage, step: Step, options: RehearsalOptions): Promise<void> {
  const { uses = "", with: inputs = {} } = step;
  const name = /^actions\/([a-z-]+)@/.exec(uses)?.[1];
  const artifact = join(options.directory, "artifact", inputs["name"] ?? "");
  const path = join(stage.workspace, inputs["path"] ?? "");
  if (name === "checkout") await checkOut(options.tree, stage.workspace);
  else if (name === "upload-artifact") cpSync(path, artifact, { recursive: true });
  else if (name === "download-artifact") cpSync(artifact, path, { recursive: true });
  else if (name === "attest") checkAttestation(stage.workspace, inputs);
  else throw new Error(`expected an action that a rehearsal knows, got ${uses}`);
}

/** The tag that is released, as a push of it checks it out: one commit, owned by the runner. */
async function checkOut(tree: string, workspace: string): Promise<void> {
  const clone = `git clone --quiet --no-local "$0" "$1" && chown -R ${RUNNER}:${RUNNER} "$1"`;
  await output(["sh", "-ec", clone, tree, workspace]);
}

/** What actions/attest wants: subjects, and a bill of materials that it takes for one. */
function checkAttestation(workspace: string, inputs: Inputs): void {
  const pattern = inputs["subject-path"] ?? "";
  if ([...new Bun.Glob(pattern).scanSync(workspace)].length === 0) {
    throw new Error(`expected files at ${pattern} to attest, got none`);
  }
  const sbom = inputs["sbom-path"];
  if (sbom === undefined) return;
  const bom = JSON.parse(readFileSync(join(workspace, sbom), "utf8"));
  for (const field of ["bomFormat", "serialNumber", "specVersion"]) {
    if (!bom[field]) throw new Error(`${sbom}: expected ${field}, without which it is refused`);
  }
}

function check({ stdout, stderr, exitCode }: Output, command: string): void {
  if (exitCode !== 0) throw new Error(`exit code ${exitCode}: ${command}\n${stdout}${stderr}`);
}
