// The executable needs nothing but itself, and a runtime that was changed never becomes one. What is built
// is named by its commit: git's, or that of variables; a git that fails stops the build. That the same
// sources give the same bytes, also in another user's checkout, is in test/deploy/release.test.ts.
import { expect, test } from "bun:test";
import { cpSync, existsSync, rmSync } from "node:fs";
import { version } from "../../package.json";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { git, hasGit, readCommit } from "../../scripts/lib/git.ts";
import { outcome, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";

test("it runs in an empty directory and environment, and names the commit that it was built from", () => {
  using directory = temporaryDirectory();
  const { stdout } = Bun.spawnSync([EXECUTABLE, "--version"], { cwd: directory.path, env: {} });
  const [, commit = ""] = /\((\S+)\)\n$/.exec(stdout.toString()) ?? [];
  // Somebody may have committed since the build.
  const commits = [readCommit(), ...(hasGit() ? git("rev-list", "HEAD").split("\n") : [])];
  expect(commits.map((each) => each.slice(0, 12))).toContain(commit);
});

test.each([
  [{ HAPGENT_COMMIT: "abc", SOURCE_DATE_EPOCH: "7" }, "abc 7"],
  [{ HAPGENT_COMMIT: "abc", SOURCE_DATE_EPOCH: "today" }, "to be seconds since 1970, got today"],
  ...(hasGit() ? [[{ GIT_DIR: "/nonexistent" }, "fatal: not a git"] as const] : []),
])("with %j commit and time are %s", async (env, said) => {
  const program = `import { readCommit, readCommitTime } from "./scripts/lib/git.ts";
    console.log(readCommit(), readCommitTime())`;
  const { stdout, stderr } = await outcome(["bun", "-e", program], { env, isClean: true });
  expect(stdout + stderr).toContain(said);
});

test("a runtime for another target that was changed is refused before anything is made", async () => {
  using directory = temporaryDirectory();
  const target = process.arch === "arm64" ? "linux-x64-musl" : "linux-arm64-musl";
  const name = target === "linux-x64-musl" ? "bun-linux-x64-musl" : "bun-linux-aarch64-musl";
  const runtime = `${directory.path}/${name}-v${Bun.version}`;
  // Bun itself would take any file of that name.
  cpSync(process.execPath, runtime);
  const outfile = `${ROOT}dist/hapgent-${version}-${target}`;
  rmSync(outfile, { force: true });
  const env = { BUN_INSTALL_CACHE_DIR: directory.path };
  const { exitCode, stderr } = await outcome(["bun", "scripts/build.ts", target], { env });
  expect(stderr).toContain(`expected ${runtime} to be @oven/${name} with the SHA-256 `);
  expect(exitCode).toBe(1);
  expect(existsSync(outfile)).toBe(false);
});
