// What is built is named by its commit: read from git, also where the checkout belongs to another
// user, as in a container; from variables where there is no git. A git that fails stops the build.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { outcome, output, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";

const directory = temporaryDirectory();
const checkout = join(directory.path, "checkout");
/** Nobody's settings of git count, and no variable of who runs the tests. */
const env = { HOME: directory.path, GIT_CONFIG_NOSYSTEM: "1", LC_ALL: "C" };
const dated = {
  GIT_AUTHOR_DATE: "2026-02-03T04:05:06Z",
  GIT_COMMITTER_DATE: "2026-02-03T04:05:06Z",
};
const person = ["-c", "user.name=test", "-c", "user.email=test@example.org"];

/** What a function of the checkout's scripts/lib/git.ts returns, or how it fails. */
async function ask(name: string, variables: Record<string, string> = {}): Promise<string> {
  const program = `import { ${name} } from "./scripts/lib/git.ts"; console.log(${name}())`;
  const options = { cwd: checkout, env: { ...env, ...variables }, isClean: true };
  const { stdout, stderr } = await outcome(["bun", "-e", program], options);
  return stdout.trim() || stderr;
}

beforeAll(async () => {
  mkdirSync(join(checkout, "scripts/lib"), { recursive: true });
  for (const name of ["git.ts", "shell.ts"]) {
    cpSync(`${ROOT}scripts/lib/${name}`, join(checkout, "scripts/lib", name));
  }
  const commit = `git init --quiet && git add --all && git ${person.join(" ")} commit -qm One`;
  await output(["sh", "-c", commit], { cwd: checkout, env: { ...env, ...dated } });
  await output(["chown", "-R", "1001:1001", checkout]);
});

afterAll(() => directory[Symbol.dispose]());

describe("a checkout of user 1001, seen by root", () => {
  test("git alone refuses it", async () => {
    const { stderr } = await outcome(["git", "status"], { cwd: checkout, env, isClean: true });
    expect(stderr).toContain("dubious ownership");
  });

  test("its commit and time are known", async () => {
    expect(await ask("readCommit")).toMatch(/^[0-9a-f]{40}$/);
    expect(await ask("readCommitTime")).toBe(String(Date.UTC(2026, 1, 3, 4, 5, 6) / 1000));
  });

  test("HAPGENT_COMMIT and SOURCE_DATE_EPOCH come first", async () => {
    expect(await ask("readCommit", { HAPGENT_COMMIT: "abc" })).toBe("abc");
    expect(await ask("readCommitTime", { SOURCE_DATE_EPOCH: "5" })).toBe("5");
    const wrong = await ask("readCommitTime", { SOURCE_DATE_EPOCH: "today" });
    expect(wrong).toContain("expected SOURCE_DATE_EPOCH to be seconds since 1970, got today");
  });
});

test("a git that fails is an error, not an empty answer", async () => {
  const variables = { GIT_DIR: "/nonexistent" };
  for (const name of ["readCommit", "readCommitTime"]) {
    expect(await ask(name, variables)).toMatch(/exit code 128: git .+\nfatal: not a git/);
  }
});

test("a source tree without git has no commit, and is from 1970", async () => {
  renameSync(join(checkout, ".git"), join(directory.path, "away"));
  expect(await ask("readCommit")).toBe("unknown");
  expect(await ask("readCommitTime")).toBe("0");
});
