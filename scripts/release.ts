// Makes a release in dist/release: executables, archives, Debian packages, images, bill of
// materials, notes, checksums and, with a key, signatures.
//
//   bun scripts/release.ts              needs a clean, tagged tree; scripts/sign.ts signs the files
//   bun scripts/release.ts --key FILE   signs and verifies them, too
//   bun scripts/release.ts --dry-run    takes any tree, and only warns of what it would refuse
//   bun scripts/release.ts --check      only says whether it would refuse
//
// It shows each step with its time, and ends with what to do next. --fast compresses as little as
// possible, for tests. CONTRIBUTING.md says which files are the same for the same commit, and where.
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { version } from "../package.json";
import { TARGETS } from "./lib/executable.ts";
import { git, hasGit, readCommit } from "./lib/git.ts";
import { output, ROOT, run } from "./lib/shell.ts";
import { doInParallel, step } from "./lib/steps.ts";
import { packTar } from "./lib/tar.ts";
import { temporaryDirectory } from "./lib/temporary.ts";
import { needTools } from "./lib/tools.ts";
import { packageVersion } from "./lib/version.ts";
import { formatNotes, readSection } from "./notes.ts";
import { formatSbom } from "./sbom.ts";
import { signRelease } from "./sign.ts";
import { readKeys, SIGNERS, verifyRelease } from "./verify.ts";

const DIRECTORY = `${ROOT}dist/release`;

/** What an archive has beside the executable. */
const EXTRAS = ["README.md", "LICENSE", "THIRD_PARTY_NOTICES", "CHANGELOG.md", "SECURITY.md"];
const DEPLOY = [
  ...["ansible", "completion", "container", "haproxy", "kubernetes", "man", "monitoring"],
  ...["scripts", "systemd", "sysv"],
  ...["hapgent.default", "state.json"],
];
/** Those of Debian packages and of RPM packages, each in its own words. */
const ARCHITECTURES = ["amd64", "arm64"];
const RPM_ARCHITECTURES = ["x86_64", "aarch64"];

/** Seconds that a step may take; compressing an archive takes one or two minutes. */
const LIMIT = 1800;

if (import.meta.main) {
  const { values: options } = parseArgs({
    options: {
      key: { type: "string" },
      "dry-run": { type: "boolean", default: false },
      check: { type: "boolean", default: false },
      fast: { type: "boolean", default: false },
    },
  });
  const problems = await findProblems();
  for (const problem of problems) console.error(`no release: ${problem}`);
  if (problems.length > 0 && !options["dry-run"]) process.exit(1);
  if (options.check) process.exit(0);
  await makeRelease(options.fast);
  const { key } = options;
  if (key !== undefined) await step("sign and verify", () => signAndVerify(key));
  console.log(`\n${formatSummary(problems, key !== undefined)}`);
}

/** Why the tree as it is cannot be a release. */
async function findProblems(): Promise<string[]> {
  const problems = hasGit() ? findGitProblems() : ["expected a clone, got no .git"];
  const changelog = await Bun.file(`${ROOT}CHANGELOG.md`).text();
  if (readSection(changelog, version) === undefined) {
    problems.push(`expected a section [${version}] in CHANGELOG.md`);
  }
  if (readSection(changelog, "Unreleased") !== undefined) {
    problems.push(
      `expected an empty section [Unreleased] in CHANGELOG.md: move its lines to [${version}]`,
    );
  }
  // The build would be for nothing: nobody could verify it.
  if (readKeys(SIGNERS).length === 0) {
    problems.push("expected a release key in deploy/allowed_signers; see SECURITY.md");
  }
  return problems;
}

function findGitProblems(): string[] {
  const problems: string[] = [];
  const changes = git("status", "--porcelain");
  if (changes)
    problems.push(`expected a clean tree, got changes: ${changes.replaceAll("\n", ",")}`);
  const tags = git("tag", "--points-at", "HEAD").split("\n");
  if (!tags.includes(`v${version}`)) {
    problems.push(
      `expected the tag v${version} here, as package.json has it, got ${tags[0] || "none"}`,
    );
  }
  const head = git("rev-parse", "HEAD");
  if (readCommit() !== head) {
    problems.push(`expected HAPGENT_COMMIT to be ${head}, got ${readCommit()}`);
  }
  return problems;
}

async function makeRelease(isFast: boolean): Promise<void> {
  await needTools({
    ...{ tar: "tar", gzip: "gzip", zstd: "zstd", buildah: "buildah" },
    ...{ "dpkg-buildpackage": "dpkg-dev", dh: "debhelper", rpmbuild: "rpm" },
  });
  rmSync(DIRECTORY, { recursive: true, force: true });
  mkdirSync(DIRECTORY, { recursive: true });
  run(["bun", "install", "--frozen-lockfile", "--silent"]);
  if (isFast) process.env["DPKG_DEB_COMPRESSOR_TYPE"] = "none";
  for (const target of TARGETS) {
    await step(`build ${target}`, () => runScript("build.ts", target));
    take(`hapgent-${version}-${target}`);
  }
  const packages = ARCHITECTURES.map((name) => `hapgent_${packageVersion()}_${name}.deb`);
  const rpms = RPM_ARCHITECTURES.map((name) => `hapgent-${packageVersion()}-1.${name}.rpm`);
  const image = `hapgent-${version}-image.tar`;
  const tars = TARGETS.map((target) => packContent(`hapgent-${version}-${target}`));
  // The longest steps come first.
  await doInParallel([
    ...ARCHITECTURES.map(
      (name, index) => async () =>
        await step(`package ${packages[index]}`, () => runScript("deb.ts", "--built", name)),
    ),
    ...RPM_ARCHITECTURES.map((name, index) => async () => {
      const fast = isFast ? ["--fast"] : [];
      await step(`package ${rpms[index]}`, () => runScript("rpm.ts", "--built", ...fast, name));
    }),
    ...tars.map((tar) => async () => await compress(tar, "zst", isFast)),
    async () => await step(`image ${image}`, () => runScript("image.ts", "--built")),
    ...tars.map((tar) => async () => await compress(tar, "gz", isFast)),
  ]);
  for (const tar of tars) rmSync(tar);
  for (const name of packages) {
    take(name);
    take(name.replace(/deb$/, "buildinfo"));
  }
  for (const name of [...rpms, image]) take(name);
  await writeInstaller();
  writeFileSync(join(DIRECTORY, "hapgent.cdx.json"), `${formatSbom()}\n`);
  writeFileSync(join(DIRECTORY, "NOTES.md"), await formatNotes());
  await step("checksums", writeSums);
}

/** Runs another script, whose output only counts when it fails. */
async function runScript(name: string, ...options: string[]): Promise<void> {
  await output(["bun", `scripts/${name}`, ...options], { limit: LIMIT });
}

/** Copies a file of dist/. */
function take(name: string): void {
  copyFileSync(`${ROOT}dist/${name}`, join(DIRECTORY, name));
}

/** Packs an executable, with what belongs to it, and returns the path of the archive. */
function packContent(name: string): string {
  using directory = temporaryDirectory();
  const content = join(directory.path, name);
  for (const part of EXTRAS) cpSync(ROOT + part, join(content, part));
  for (const part of DEPLOY) {
    const place = join(content, "deploy", part);
    // The role's links become files: there it can be copied anywhere.
    cpSync(`${ROOT}deploy/${part}`, place, { recursive: true, dereference: true });
  }
  cpSync(`${ROOT}dist/${name}`, join(content, "hapgent"));
  const tar = join(DIRECTORY, `${name}.tar`);
  packTar(tar, directory.path, name);
  return tar;
}

/** Compresses an archive, which stays: .tar.gz is for machines without zstd. */
async function compress(tar: string, suffix: "zst" | "gz", isFast: boolean): Promise<void> {
  const file = `${tar}.${suffix}`;
  // One thread: other cores compress other archives.
  const command = suffix === "zst" ? "zstd --quiet -T1 -19" : "gzip --no-name -9";
  const fast = command.replace(/-\d+$/, "-1");
  const script = `${isFast ? fast : command} <"$0" >"$1"`;
  await step(`compress ${basename(file)}`, async () => {
    await output(["sh", "-c", script, tar, file], { limit: LIMIT });
    return formatSize(statSync(file).size);
  });
}

/** Writes the installer with the release keys in it: it needs nothing else to verify the rest. */
async function writeInstaller(): Promise<void> {
  const text = await Bun.file(`${ROOT}deploy/install.sh`).text();
  const place = "SIGNERS=''\n";
  if (!text.includes(place)) throw new Error("expected a line SIGNERS='' in deploy/install.sh");
  const keys = readKeys(SIGNERS).join("\n").replaceAll("'", "");
  writeFileSync(
    join(DIRECTORY, "install.sh"),
    text.replace(place, () => `SIGNERS='${keys}'\n`),
    {
      mode: 0o755,
    },
  );
}

async function writeSums(): Promise<void> {
  const names = readdirSync(DIRECTORY).toSorted((a, b) => a.localeCompare(b, "en"));
  const sums = await output(["sha256sum", ...names], { cwd: DIRECTORY, limit: LIMIT });
  writeFileSync(join(DIRECTORY, "SHA256SUMS"), `${sums}\n`);
}

/** Signs the files and verifies them as a user would: deploy/allowed_signers must have the key. */
async function signAndVerify(key: string): Promise<void> {
  await signRelease(DIRECTORY, key);
  await verifyRelease(DIRECTORY);
}

/** Says where the files are, why they cannot be published, and what to do next. */
function formatSummary(problems: readonly string[], isSigned: boolean): string {
  const names = readdirSync(DIRECTORY);
  const size = names.reduce((sum, name) => sum + statSync(join(DIRECTORY, name)).size, 0);
  const steps = [
    ["try it", `sh ${DIRECTORY}/install.sh --from file://${DIRECTORY} --dry-run`],
    ...(isSigned ? [] : [["sign it", "bun run sign --key FILE"]]),
    ["verify it", `bun run verify ${DIRECTORY}`],
    ["publish it", "bun run publish --image && bun run publish"],
  ];
  return [
    `hapgent ${version}, ${isSigned ? "signed and verified" : "not signed"}: ` +
      `${names.length} files, ${formatSize(size)}, in ${DIRECTORY}`,
    ...problems.map((problem) => `This cannot be published: ${problem}`),
    "Next:",
    ...steps.map(([name, command]) => `  ${`${name}:`.padEnd(12)}${command}`),
  ].join("\n");
}

function formatSize(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
