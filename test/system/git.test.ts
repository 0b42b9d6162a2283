// What is built is named by its commit: read from git, also where the checkout belongs to another
// user, as in a container; from variables where there is no git. A git that fails stops the build.
import { expect, test } from "bun:test";
import { cpSync, mkdirSync, renameSync } from "node:fs";
import { outcome, output, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";

const DATE = "2026-02-03T04:05:06Z";

test("commit and time come from git, from variables, or there are none", async () => {
  using directory = temporaryDirectory();
  const checkout = `${directory.path}/checkout`;
  /** Nobody's settings of git count, and no variable of who runs the tests. */
  const env = { HOME: directory.path, GIT_CONFIG_NOSYSTEM: "1", LC_ALL: "C" };
  mkdirSync(`${checkout}/scripts/lib`, { recursive: true });
  for (const name of ["git.ts", "shell.ts"]) {
    cpSync(`${ROOT}scripts/lib/${name}`, `${checkout}/scripts/lib/${name}`);
  }
  const person = "-c user.name=test -c user.email=test@example.org";
  const commit = `git init --quiet && git add --all && git ${person} commit -qm One &&
    chown -R 1001:1001 .`;
  const dated = { GIT_AUTHOR_DATE: DATE, GIT_COMMITTER_DATE: DATE };
  await output(["sh", "-c", commit], { cwd: checkout, env: { ...env, ...dated } });

  /** Commit and time, or how that fails. */
  const ask = async (variables: Record<string, string> = {}): Promise<string> => {
    const program = `import { readCommit, readCommitTime } from "./scripts/lib/git.ts";
      console.log(readCommit(), readCommitTime())`;
    const options = { cwd: checkout, env: { ...env, ...variables }, isClean: true };
    const { stdout, stderr } = await outcome(["bun", "-e", program], options);
    return stdout.trim() || stderr;
  };
  const git = await outcome(["git", "status"], { cwd: checkout, env, isClean: true });
  expect(git.stderr).toContain("dubious ownership");
  const seconds = Date.parse(DATE) / 1000;
  expect(await ask()).toMatch(new RegExp(`^[0-9a-f]{40} ${seconds}$`));
  expect(await ask({ HAPGENT_COMMIT: "abc", SOURCE_DATE_EPOCH: "5" })).toBe("abc 5");
  expect(await ask({ SOURCE_DATE_EPOCH: "today" })).toContain(
    "expected SOURCE_DATE_EPOCH to be seconds since 1970, got today",
  );
  expect(await ask({ GIT_DIR: "/nonexistent" })).toMatch(/exit code 128: git .+\nfatal: not a git/);
  renameSync(`${checkout}/.git`, `${directory.path}/away`);
  expect(await ask()).toBe("unknown 0");
});
