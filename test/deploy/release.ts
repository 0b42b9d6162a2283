import { readFileSync } from "node:fs";
import { join } from "node:path";
import { version } from "../../package.json";
import { output } from "../../scripts/lib/shell.ts";
import { makeReleaseTree, rehearse } from "../../scripts/rehearse.ts";
import { type Key, makeKey } from "../system/release-fixture.ts";
import { makeOnce } from "./once.ts";

/** The throwaway key of this run. */
export async function releaseKey(): Promise<Key> {
  const path = join(await makeOnce("release-key", makeKey), "key");
  return { path, signers: `${path}.signers` };
}

/** What a release can be made of; a throwaway key may sign it. */
export async function baseTree(): Promise<string> {
  const { signers } = await releaseKey();
  return await makeOnce("release-tree", (directory) => makeReleaseTree(directory, signers));
}

/** Clones the tree of the release into a directory. */
export async function cloneTree(directory: string, umask = "022"): Promise<void> {
  const clone = `umask ${umask} && git clone --quiet "$0" "$1"`;
  await output(["sh", "-c", clone, await baseTree(), directory]);
}

/** Makes a signed release in a clone of the tree, hardly compressed, and returns its directory. */
export async function makeRelease(
  directory: string,
  { umask = "022", env = {} }: { umask?: string; env?: Record<string, string> } = {},
): Promise<string> {
  await cloneTree(directory, umask);
  const { path } = await releaseKey();
  const command = `umask ${umask} && bun scripts/release.ts --fast &&
    bun scripts/sign.ts --key "$0" && bun scripts/verify.ts dist/release`;
  await output(["sh", "-c", command, path], { cwd: directory, env, limit: 1700 });
  return join(directory, "dist/release");
}

/** A signed release: by the steps of the workflow. */
export async function baseRelease(): Promise<string> {
  const { path } = await releaseKey();
  const key = readFileSync(path, "utf8");
  const tree = await baseTree();
  return await makeOnce("release", (directory) => rehearse({ tree, directory, key, isFast: true }));
}

/** Installs the release where a machine sees it; such a machine has no ssh-keygen. */
export const INSTALL = "sh /srv/release/install.sh --from file:///srv/release --insecure";

/** What the installer needs of the release, for a machine to see: sources by path. */
export async function bindRelease(): Promise<Record<string, string>> {
  const release = await baseRelease();
  const target = process.arch === "arm64" ? "linux-arm64" : "linux-x64";
  const archive = `hapgent-${version}-${target}.tar.gz`;
  const names = ["install.sh", "SHA256SUMS", "SHA256SUMS.sig", archive];
  return Object.fromEntries(names.map((name) => [`/srv/release/${name}`, join(release, name)]));
}
