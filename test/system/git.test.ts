// What is built is named by its commit: read from git, also where the checkout belongs to another
// user, as in a container; from variables where there is no git. A git that fails stops the build.
import { expect, test } from "bun:test";
import { cpSync, mkdirSync } from "node:fs";
import { outcome, output, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";

test("commit and time come from git, or from variables", async () => {
  using directory = temporaryDirectory();
  const cwd = `${directory.path}/checkout`;
  // Nobody's settings of git count, and no variable of who runs the tests.
  const common = { HOME: directory.path, GIT_CONFIG_NOSYSTEM: "1", LC_ALL: "C" };
  mkdirSync(`${cwd}/scripts`, { recursive: true });
  cpSync(`${ROOT}scripts/lib`, `${cwd}/scripts/lib`, { recursive: true });
  const person = "-c user.name=test -c user.email=test@example.org";
  const commit = `git init -q && git add . && git ${person} commit -qm One && chown -R 1001:1001 .`;
  const date = { GIT_AUTHOR_DATE: "@5 +0000", GIT_COMMITTER_DATE: "@5 +0000" };
  await output(["sh", "-c", commit], { cwd, env: { ...common, ...date } });
  const program = `import { readCommit, readCommitTime } from "./scripts/lib/git.ts";
    console.log(readCommit(), readCommitTime())`;
  /** Commit and time, or how that fails. */
  const ask = async (variables: Record<string, string> = {}) => {
    const env = { ...common, ...variables };
    const { stdout, stderr } = await outcome(["bun", "-e", program], { cwd, env, isClean: true });
    return stdout.trim() || stderr;
  };
  expect(await ask()).toMatch(/^[0-9a-f]{40} 5$/);
  expect(await ask({ HAPGENT_COMMIT: "abc", SOURCE_DATE_EPOCH: "7" })).toBe("abc 7");
  expect(await ask({ SOURCE_DATE_EPOCH: "today" })).toContain(
    "to be seconds since 1970, got today",
  );
  expect(await ask({ GIT_DIR: "/nonexistent" })).toMatch(/exit code 128: git .+\nfatal: not a git/);
});
