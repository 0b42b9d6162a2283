// Plays a release as the workflow would run it, with the tree as it is and a throwaway key, and stops
// at the first step that needs GitHub: bun scripts/rehearse.ts [--fast]
//
// Each job gets a workspace of another user, an empty home and empty caches; its steps run as root, as
// in a container. --fast leaves out tests and benchmark, and compresses as little as possible.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { rehearse } from "./lib/rehearsal.ts";
import { makeReleaseTree } from "./lib/release-tree.ts";
import { run } from "./lib/shell.ts";
import { say } from "./lib/steps.ts";
import { temporaryDirectory } from "./lib/temporary.ts";
import { needTools } from "./lib/tools.ts";
import { SIGNER } from "./sign.ts";

const { values: options } = parseArgs({ options: { fast: { type: "boolean", default: false } } });
await needTools({ git: "git", npm: "npm", "ssh-keygen": "openssh-client" });
const { path } = temporaryDirectory();
const key = join(path, "key");
run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "rehearsal", "-f", key]);
const signers = join(path, "signers");
writeFileSync(signers, `${SIGNER} namespaces="file" ${readFileSync(`${key}.pub`, "utf8")}`);
const tree = join(path, "tree");
await makeReleaseTree(tree, signers);
const release = await rehearse({
  tree,
  directory: join(path, "jobs"),
  key: readFileSync(key, "utf8"),
  isFast: options.fast,
  say,
});
say(`made and signed: ${readdirSync(release).join(", ")}`);
