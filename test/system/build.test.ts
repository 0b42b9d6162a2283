// A build is reproducible: the same sources give the same bytes wherever they lie, and the
// executable needs nothing but itself.
import { expect, test } from "bun:test";
import { cpSync, existsSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { version } from "../../package.json";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { readCommit } from "../../scripts/lib/git.ts";
import { ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { listFiles } from "../repository.ts";

/**
 * Builds a copy of the sources in a directory of its own, and returns the sha256 of what came out.
 */
async function build(directory: string): Promise<string> {
  for (const name of listFiles()) cpSync(ROOT + name, join(directory, name));
  symlinkSync(`${ROOT}node_modules`, `${directory}/node_modules`);
  const { exitCode } = Bun.spawnSync(["bun", "scripts/build.ts"], { cwd: directory });
  expect(exitCode).toBe(0);
  const bytes = await Bun.file(`${directory}/dist/hapgent`).arrayBuffer();
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}

test("the same sources give the same executable in any directory", async () => {
  using directory = temporaryDirectory();
  const first = await build(`${directory.path}/one`);
  expect(await build(`${directory.path}/another-name`)).toBe(first);
});

test("it runs in an empty directory and environment, and names the commit that it was built from", () => {
  using directory = temporaryDirectory();
  const { stdout } = Bun.spawnSync([EXECUTABLE, "--version"], { cwd: directory.path, env: {} });
  expect(stdout.toString()).toEndWith(`(${readCommit().slice(0, 12)})\n`);
});

test("a runtime for another target that was changed is refused before anything is made", () => {
  using directory = temporaryDirectory();
  const target = process.arch === "arm64" ? "linux-x64-musl" : "linux-arm64-musl";
  const name = target === "linux-x64-musl" ? "bun-linux-x64-musl" : "bun-linux-aarch64-musl";
  const runtime = `${directory.path}/${name}-v${Bun.version}`;
  // Bun itself would take any file of that name.
  cpSync(process.execPath, runtime);
  const outfile = `${ROOT}dist/hapgent-${version}-${target}`;
  rmSync(outfile, { force: true });
  const { exitCode, stderr } = Bun.spawnSync(["bun", "scripts/build.ts", target], {
    cwd: ROOT,
    env: { ...Bun.env, BUN_INSTALL_CACHE_DIR: directory.path },
  });
  expect(stderr.toString()).toContain(`expected ${runtime} to be @oven/${name} with the SHA-256 `);
  expect(exitCode).toBe(1);
  expect(existsSync(outfile)).toBe(false);
});
