import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { version } from "../../package.json";
import { readSection } from "../notes.ts";
import { git } from "./git.ts";
import { output, ROOT } from "./shell.ts";

/** The only author of a copy, always at the same time. */
const AUTHOR = {
  ...{ GIT_AUTHOR_NAME: "test", GIT_AUTHOR_EMAIL: "test@example.org" },
  ...{ GIT_COMMITTER_NAME: "test", GIT_COMMITTER_EMAIL: "test@example.org" },
  ...{ GIT_AUTHOR_DATE: "2026-01-01T00:00:00Z", GIT_COMMITTER_DATE: "2026-01-01T00:00:00Z" },
};

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
