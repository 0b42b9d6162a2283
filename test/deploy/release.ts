import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "../../package.json";
import { git } from "../../scripts/lib/git.ts";
import { output, ROOT } from "../../scripts/lib/shell.ts";
import { readSection } from "../../scripts/notes.ts";
import { type Key, makeKey } from "../system/release-fixture.ts";

/** The only author of a copy, always at the same time. */
const AUTHOR = {
  ...{ GIT_AUTHOR_NAME: "test", GIT_AUTHOR_EMAIL: "test@example.org" },
  ...{ GIT_COMMITTER_NAME: "test", GIT_COMMITTER_EMAIL: "test@example.org" },
  ...{ GIT_AUTHOR_DATE: "2026-01-01T00:00:00Z", GIT_COMMITTER_DATE: "2026-01-01T00:00:00Z" },
};

/** The throwaway key of this run. */
export async function releaseKey(): Promise<Key> {
  const directory = join(tmpdir(), "release-key");
  const path = join(directory, "key");
  if (existsSync(path)) return { path, signers: `${path}.signers` };
  mkdirSync(directory);
  return await makeKey(directory);
}

/**
 * The tree as it is, once in a run, as one commit that has the version's tag and section of the
 * changelog, and where a throwaway key may sign: everything that a release needs.
 */
async function baseTree(): Promise<string> {
  const directory = join(tmpdir(), "release-tree");
  if (existsSync(directory)) return directory;
  mkdirSync(directory);
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
  const { signers } = await releaseKey();
  await output(["sh", "-c", `cat "$0" >>deploy/allowed_signers`, signers], { cwd: directory });
  const commit = `git init --quiet && git add --all && git commit --quiet --message=Release &&
    git tag v${version}`;
  await output(["sh", "-c", commit], { cwd: directory, env: AUTHOR });
  return directory;
}

/** Clones the tree of the release into a directory. */
export async function cloneTree(directory: string, umask = "022"): Promise<void> {
  const clone = `umask ${umask} && git clone --quiet "$0" "$1"`;
  await output(["sh", "-c", clone, await baseTree(), directory]);
}

/** The directory of a release, and what the script said that made it. */
interface Made {
  readonly release: string;
  readonly said: string;
}

/** Makes a signed release in a clone of the tree, hardly compressed. */
export async function makeRelease(
  directory: string,
  { umask = "022", env = {} }: { umask?: string; env?: Record<string, string> } = {},
): Promise<Made> {
  await cloneTree(directory, umask);
  const { path } = await releaseKey();
  const command = `umask ${umask} && exec bun scripts/release.ts --fast --key "$0"`;
  const said = await output(["sh", "-c", command, path], { cwd: directory, env, limit: 290 });
  return { release: join(directory, "dist/release"), said };
}

/** A signed release, made once in a run. */
export async function baseRelease(): Promise<string> {
  const release = join(tmpdir(), "release");
  if (!existsSync(release)) {
    const directory = join(tmpdir(), "release-first");
    renameSync((await makeRelease(directory)).release, release);
    rmSync(directory, { recursive: true });
  }
  return release;
}
