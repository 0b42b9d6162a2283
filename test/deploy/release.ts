import { readFileSync } from "node:fs";
import { join } from "node:path";
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

/** A signed release: by the steps of the workflow. */
export async function baseRelease(): Promise<string> {
  const { path } = await releaseKey();
  const key = readFileSync(path, "utf8");
  const tree = await baseTree();
  return await makeOnce("release", (directory) => rehearse({ tree, directory, key, isFast: true }));
}

/** Installs the release of /srv/release; a machine has no ssh-keygen. */
export const INSTALL = "sh /srv/release/install.sh --from file:///srv/release --insecure";
