import { expect } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { output, ROOT } from "../../scripts/lib/shell.ts";
import { packageVersion } from "../../scripts/lib/version.ts";
import type { Machine } from "./machine.ts";

/** The Debian package of this machine's architecture. */
export async function buildDeb(): Promise<string> {
  const architecture = await output(["dpkg", "--print-architecture"]);
  return await build("deb", `hapgent_${packageVersion()}_${architecture}.deb`);
}

/** The RPM package of this machine's architecture. */
export async function buildRpm(): Promise<string> {
  const architecture = process.arch === "arm64" ? "aarch64" : "x86_64";
  return await build("rpm", `hapgent-${packageVersion()}-1.${architecture}.rpm`);
}

/** Makes a package once in a run, hardly compressed, and returns its path. */
async function build(kind: "deb" | "rpm", name: string): Promise<string> {
  const made = join(tmpdir(), `${kind}-made`);
  if (!existsSync(made)) {
    const env = { DPKG_DEB_COMPRESSOR_LEVEL: "1" };
    await output(["bun", `scripts/${kind}.ts`, "--fast"], { cwd: ROOT, env, limit: 1200 });
    writeFileSync(made, "");
  }
  return `${ROOT}dist/${name}`;
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
