import { expect } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { output, ROOT } from "../../scripts/lib/shell.ts";
import { packageVersion } from "../../scripts/lib/version.ts";
import type { Machine } from "./machine.ts";

/** A package, and a later one. */
export interface Packages {
  readonly first: string;
  readonly next: string;
}

/** The Debian packages of this machine's architecture, made once in a run. */
export async function buildDebs(): Promise<Packages> {
  const architecture = await output(["dpkg", "--print-architecture"]);
  const first = `${ROOT}dist/hapgent_${packageVersion()}_${architecture}.deb`;
  const [root, next] = [join(tmpdir(), "next"), join(tmpdir(), "next.deb")];
  if (existsSync(next)) return { first, next };
  // A release compresses for a minute; what is in it is the same.
  const env = { DPKG_DEB_COMPRESSOR_LEVEL: "1" };
  await output(["bun", "scripts/deb.ts"], { cwd: ROOT, env, limit: 1200 });
  await output(["dpkg-deb", "--raw-extract", first, root]);
  const control = join(root, "DEBIAN/control");
  const text = readFileSync(control, "utf8");
  writeFileSync(control, text.replace(/^(Version: .*)$/m, "$1+next"));
  await output(["dpkg-deb", "--root-owner-group", "-Znone", "--build", root, next]);
  return { first, next };
}

/** The RPM packages of this machine's architecture, made once in a run. */
export async function buildRpms(): Promise<Packages> {
  const architecture = process.arch === "arm64" ? "aarch64" : "x86_64";
  const file = (release: number) =>
    `${ROOT}dist/hapgent-${packageVersion()}-${release}.${architecture}.rpm`;
  const built = join(tmpdir(), "rpms-built");
  if (!existsSync(built)) {
    const build = ["bun", "scripts/rpm.ts", "--fast"];
    await output(build, { cwd: ROOT, limit: 1200 });
    await output([...build, "--built", "--release", "2"], { cwd: ROOT, limit: 1200 });
    writeFileSync(built, "");
  }
  return { first: file(1), next: file(2) };
}

/** What dpkg, rpm and what they run say when all is well. */
const USUAL = [
  /^Created symlink .*\n/gm,
  /^Creating (user|group) 'hapgent' .*\n/gm,
  /^Removed "\S+"[.]\n/gm,
  /^warning: \S+ saved as \S+[.]rpmsave\n/gm,
];

/** Runs dpkg or rpm: neither it nor a script of the package has anything to complain of. */
export async function runQuietly(machine: Machine, command: string): Promise<void> {
  const { stdout, stderr, exitCode } = await machine.try(command);
  const said = USUAL.reduce((text, usual) => text.replaceAll(usual, ""), stderr);
  expect({ said, exitCode }).toEqual({ said: "", exitCode: 0 });
  expect(stdout).not.toMatch(/warning|invalid|glob|fail/i);
}
