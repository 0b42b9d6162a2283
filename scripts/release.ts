// Makes a release in dist/release: executables, archives, Debian packages, images, bill of
// materials, notes, checksums and, with a key, signatures.
//
//   bun scripts/release.ts              from a clean, tagged tree; scripts/sign.ts signs it
//   bun scripts/release.ts --key FILE   the same, signed and verified
//   bun scripts/release.ts --dry-run    whatever the tree is: what would be refused is only told
//
// With --fast the archives are hardly compressed. The same commit gives the same files.
import { copyFileSync, cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { version } from "../package.json";
import { TARGETS } from "./lib/executable.ts";
import { capture, ROOT, run } from "./lib/shell.ts";
import { packTar } from "./lib/tar.ts";
import { temporaryDirectory } from "./lib/temporary.ts";
import { needTools } from "./lib/tools.ts";
import { formatNotes, readSection } from "./notes.ts";
import { formatSbom } from "./sbom.ts";
import { signRelease } from "./sign.ts";
import { findProblem, hashFile, readKeys, SIGNERS } from "./verify.ts";

const DIRECTORY = `${ROOT}dist/release`;

/** What an archive has beside the executable. */
const EXTRAS = ["README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md"];
const DEPLOY = ["completion", "man", "scripts", "systemd", "sysv", "state.json"];

if (import.meta.main) {
  const { values: options } = parseArgs({
    options: {
      key: { type: "string" },
      "dry-run": { type: "boolean", default: false },
      fast: { type: "boolean", default: false },
    },
  });
  const problems = await findProblems();
  for (const problem of problems) console.error(`no release: ${problem}`);
  if (problems.length > 0 && !options["dry-run"]) process.exit(1);
  await makeRelease(options.fast);
  if (options.key === undefined) console.log("not signed");
  else await signAndVerify(options.key);
}

/** Why the tree as it is cannot be a release. */
async function findProblems(): Promise<string[]> {
  const problems: string[] = [];
  const changes = capture(["git", "status", "--porcelain"]);
  if (changes)
    problems.push(`expected a clean tree, got changes: ${changes.replaceAll("\n", ",")}`);
  const tags = capture(["git", "tag", "--points-at", "HEAD"]).split("\n");
  if (!tags.includes(`v${version}`)) {
    problems.push(
      `expected the tag v${version} here, as package.json has it, got ${tags[0] || "none"}`,
    );
  }
  const changelog = await Bun.file(`${ROOT}CHANGELOG.md`).text();
  if (readSection(changelog, version) === undefined) {
    problems.push(`expected a section [${version}] in CHANGELOG.md`);
  }
  return problems;
}

async function makeRelease(isFast: boolean): Promise<void> {
  await needTools({ tar: "tar", gzip: "gzip", zstd: "zstd" });
  rmSync(DIRECTORY, { recursive: true, force: true });
  mkdirSync(DIRECTORY, { recursive: true });
  run(["bun", "install", "--frozen-lockfile", "--silent"]);
  // Both the package's and the image's scripts build what they need themselves.
  if (isFast) process.env["DPKG_DEB_COMPRESSOR_TYPE"] = "none";
  run(["bun", "scripts/deb.ts", "amd64", "arm64"]);
  run(["bun", "scripts/image.ts"]);
  run(["bun", "scripts/build.ts", "--all"]);
  for (const target of TARGETS) {
    const name = `hapgent-${version}-${target}`;
    take(name);
    pack(name, isFast);
  }
  for (const architecture of ["amd64", "arm64"]) take(`hapgent_${version}_${architecture}.deb`);
  take(`hapgent-${version}-image.tar`);
  await writeInstaller();
  writeFileSync(join(DIRECTORY, "hapgent.cdx.json"), formatSbom());
  writeFileSync(join(DIRECTORY, "NOTES.md"), await formatNotes());
  await writeSums();
}

/** Copies a file of dist/. */
function take(name: string): void {
  copyFileSync(`${ROOT}dist/${name}`, join(DIRECTORY, name));
}

/**
 * Packs an executable, with what belongs to it, as .tar.zst and, where there is no zstd, as
 * .tar.gz.
 */
function pack(name: string, isFast: boolean): void {
  const { path: directory } = temporaryDirectory();
  const content = join(directory, name);
  for (const part of EXTRAS) cpSync(ROOT + part, join(content, part));
  for (const part of DEPLOY) {
    cpSync(`${ROOT}deploy/${part}`, join(content, "deploy", part), { recursive: true });
  }
  cpSync(`${ROOT}dist/${name}`, join(content, "hapgent"));
  const tar = join(DIRECTORY, `${name}.tar`);
  packTar(tar, directory, name);
  run(["zstd", "--quiet", "-T0", isFast ? "-1" : "-19", tar]);
  run(["gzip", "--no-name", isFast ? "-1" : "-9", tar]);
}

/**
 * The installer, with the keys in it that may sign: who has it needs nothing else to verify the
 * rest.
 */
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
  const lines: string[] = [];
  const names = readdirSync(DIRECTORY).toSorted((a, b) => a.localeCompare(b, "en"));
  for (const name of names) {
    lines.push(`${await hashFile(join(DIRECTORY, name))}  ${name}\n`);
  }
  writeFileSync(join(DIRECTORY, "SHA256SUMS"), lines.join(""));
}

/**
 * Signs all, and verifies all as who downloads it would: a key that nobody knows is worth nothing.
 */
async function signAndVerify(key: string): Promise<void> {
  await signRelease(DIRECTORY, key);
  for (const name of readdirSync(DIRECTORY).filter((file) => !file.endsWith(".sig"))) {
    const problem = await findProblem(join(DIRECTORY, name), SIGNERS);
    if (problem === undefined) continue;
    console.error(`${name}: NOT verified: ${problem}`);
    process.exit(1);
  }
  console.log("signed and verified");
}
