import { expect } from "bun:test";
import { output, ROOT } from "../../scripts/lib/shell.ts";
import { packageVersion } from "../../scripts/lib/version.ts";
import type { Machine } from "./machine.ts";
import { makeOnce } from "./once.ts";

/** The Debian package of this machine's architecture. */
export async function buildDeb(): Promise<string> {
  const architecture = await output(["dpkg", "--print-architecture"]);
  return await build(`hapgent_${packageVersion()}_${architecture}.deb`);
}

/** The RPM package of this machine's architecture. */
export async function buildRpm(): Promise<string> {
  const architecture = process.arch === "arm64" ? "aarch64" : "x86_64";
  return await build(`hapgent-${packageVersion()}-1.${architecture}.rpm`);
}

/** Makes both packages, hardly compressed, and returns the path of one. */
async function build(name: string): Promise<string> {
  await makeOnce("packages", async () => {
    const options = { env: { DPKG_DEB_COMPRESSOR_LEVEL: "1" }, limit: 1200 };
    await output(["bun", "scripts/deb.ts"], options);
    await output(["bun", "scripts/rpm.ts", "--built", "--fast"], options);
  });
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
