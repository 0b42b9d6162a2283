// Makes a release in dist/release: executables, archives, packages, image, bill of materials, notes and
// checksums; scripts/sign.ts signs them.
//
//   bun scripts/release.ts              needs a clean, tagged tree
//   bun scripts/release.ts --dry-run    takes any tree, and only warns of what it would refuse
//   bun scripts/release.ts --check      only says whether it would refuse
//
// It shows each step with its time. --fast compresses as little as possible, for tests. CONTRIBUTING.md
// says which files are the same for the same commit, and where.
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { version } from "../package.json";
import { TARGETS } from "./lib/executable.ts";
import { git, hasGit } from "./lib/git.ts";
import { output, ROOT, run } from "./lib/shell.ts";
import { step } from "./lib/steps.ts";
import { packTar } from "./lib/tar.ts";
import { needTools } from "./lib/tools.ts";
import { packageVersion } from "./lib/version.ts";
import { formatNotes, readSection } from "./notes.ts";
import { formatSbom } from "./sbom.ts";
import { readKeys, SIGNERS } from "./verify.ts";

const DIRECTORY = `${ROOT}dist/release`;

/** What an archive has beside the executable. */
const EXTRAS = ["README.md", "LICENSE", "THIRD_PARTY_NOTICES", "CHANGELOG.md", "SECURITY.md"];
const DEPLOY = [
  ...["ansible", "completion", "container", "haproxy", "kubernetes", "man", "monitoring"],
  ...["nftables", "scripts", "systemd", "sysv"],
  ...["hapgent.default", "state.json"],
].map((part) => `deploy/${part}`);

/** A key that may sign files, and nothing else. */
const FILE_KEY = /^hapgent ([a-z-]+="[^"]*",)*namespaces="file"[^ ]* (sk-)?ssh-ed25519/;

/** Seconds that a step may take; compressing an archive takes one or two minutes. */
const LIMIT = 1800;

const { values: options } = parseArgs({
  options: {
    "dry-run": { type: "boolean", default: false },
    check: { type: "boolean", default: false },
    fast: { type: "boolean", default: false },
  },
});
const problems = await findProblems();
for (const problem of problems) console.error(`no release: ${problem}`);
if (problems.length > 0 && !options["dry-run"]) process.exit(1);
if (options.check) process.exit(0);
await makeRelease();
console.log(`\nhapgent ${version}, not signed: ${DIRECTORY}`);

/** Why the tree as it is cannot be a release. */
async function findProblems(): Promise<string[]> {
  const problems = hasGit() ? findGitProblems() : ["expected a clone, got no .git"];
  const changelog = await Bun.file(`${ROOT}CHANGELOG.md`).text();
  if (readSection(changelog, version) === undefined) {
    problems.push(`expected a section [${version}] in CHANGELOG.md`);
  }
  if (readSection(changelog, "Unreleased") !== undefined) {
    const where = `in CHANGELOG.md: move its lines to [${version}]`;
    problems.push(`expected an empty section [Unreleased] ${where}`);
  }
  // The build would be for nothing: nobody could verify it.
  const keys = readKeys(SIGNERS);
  if (keys.length === 0) {
    problems.push("expected a release key in deploy/allowed_signers; see SECURITY.md");
  }
  for (const key of keys.filter((line) => !FILE_KEY.test(line))) {
    const expected = 'expected hapgent namespaces="file" ssh-ed25519 KEY in deploy/allowed_signers';
    problems.push(`${expected}, got ${key}`);
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
    const expected = `expected the tag v${version} here, as package.json has it`;
    problems.push(`${expected}, got ${tags[0] || "none"}`);
  }
  return problems;
}

async function makeRelease(): Promise<void> {
  await needTools({
    ...{ tar: "tar", gzip: "gzip", zstd: "zstd", buildah: "buildah" },
    ...{ "dpkg-buildpackage": "dpkg-dev", dh: "debhelper", rpmbuild: "rpm" },
  });
  rmSync(DIRECTORY, { recursive: true, force: true });
  mkdirSync(DIRECTORY, { recursive: true });
  run(["bun", "install", "--frozen-lockfile", "--silent"]);
  if (options.fast) process.env["DPKG_DEB_COMPRESSOR_TYPE"] = "none";
  for (const target of TARGETS) await make("build.ts", [target], `hapgent-${version}-${target}`);
  const fast = options.fast ? ["--fast"] : [];
  const tars = TARGETS.map((target) => packContent(`hapgent-${version}-${target}`));
  await Promise.all([
    ...["amd64", "arm64"].map((name) => {
      const file = `hapgent_${packageVersion()}_${name}`;
      return make("deb.ts", ["--built", name], `${file}.deb`, `${file}.buildinfo`);
    }),
    ...["x86_64", "aarch64"].map((name) => {
      const file = `hapgent-${packageVersion()}-1.${name}.rpm`;
      return make("rpm.ts", ["--built", ...fast, name], file);
    }),
    make("image.ts", ["--built"], `hapgent-${version}-image.tar`),
    // gzip is for machines without zstd. One thread each: other cores do the rest.
    ...tars.flatMap((tar) => [
      compress(tar, `zstd --quiet -T1 -${options.fast ? 1 : 19}`, "zst"),
      compress(tar, `gzip --no-name -${options.fast ? 1 : 9}`, "gz"),
    ]),
  ]);
  for (const tar of tars) rmSync(tar);
  await writeInstaller();
  writeFileSync(join(DIRECTORY, "hapgent.cdx.json"), `${formatSbom()}\n`);
  writeFileSync(join(DIRECTORY, "NOTES.md"), await formatNotes());
  await step("checksums", writeSums);
}

/** Runs another script, whose output only counts when it fails, and takes what it makes in dist/. */
async function make(script: string, words: readonly string[], ...names: string[]): Promise<void> {
  const command = ["bun", `scripts/${script}`, ...words];
  await step(`make ${names[0]}`, () => output(command, { limit: LIMIT }));
  for (const name of names) copyFileSync(`${ROOT}dist/${name}`, join(DIRECTORY, name));
}

/** Packs an executable, with what belongs to it, and returns the path of the archive. */
function packContent(name: string): string {
  const tar = join(DIRECTORY, `${name}.tar`);
  // The role's links become files: there it can be copied anywhere.
  const transform = `--transform=s,^dist/${name},hapgent,;s,^,${name}/,`;
  const words = ["--dereference", "--hard-dereference", transform];
  packTar(tar, ROOT, ...words, `dist/${name}`, ...EXTRAS, ...DEPLOY);
  return tar;
}

/** Compresses an archive, which stays. */
async function compress(tar: string, command: string, suffix: string): Promise<void> {
  const file = `${tar}.${suffix}`;
  const script = `${command} <"$0" >"$1"`;
  const packed = ["sh", "-c", script, tar, file];
  await step(`compress ${basename(file)}`, () => output(packed, { limit: LIMIT }));
}

/** Writes the installer with the release keys in it: it needs nothing else to verify the rest. */
async function writeInstaller(): Promise<void> {
  const text = await Bun.file(`${ROOT}deploy/install.sh`).text();
  const place = "SIGNERS=''\n";
  if (!text.includes(place)) throw new Error("expected a line SIGNERS='' in deploy/install.sh");
  const keys = readKeys(SIGNERS).join("\n").replaceAll("'", "");
  const signed = text.replace(place, () => `SIGNERS='${keys}'\n`);
  writeFileSync(join(DIRECTORY, "install.sh"), signed, { mode: 0o755 });
}

async function writeSums(): Promise<void> {
  const names = readdirSync(DIRECTORY).toSorted((a, b) => a.localeCompare(b, "en"));
  const sums = await output(["sha256sum", ...names], { cwd: DIRECTORY, limit: LIMIT });
  writeFileSync(join(DIRECTORY, "SHA256SUMS"), `${sums}\n`);
}
