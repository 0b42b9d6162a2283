// Publishes dist/release: its files as a release of the repository, and its image. Run by CI, which
// sets GH_TOKEN; IMAGE says where the image goes (registry/owner/hapgent, as IMAGE_USER), and
// without it none is pushed.
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { version } from "../package.json";
import { ROOT, run } from "./lib/shell.ts";
import { temporaryDirectory } from "./lib/temporary.ts";
import { needTools } from "./lib/tools.ts";
import { findProblem, SIGNERS } from "./verify.ts";

const directory = `${ROOT}dist/release`;
const files = readdirSync(directory).map((name) => join(directory, name));
await needTools({ "ssh-keygen": "openssh-client", gh: "gh", skopeo: "skopeo" });

// Nothing is published that a user could not verify.
for (const file of files.filter((path) => !path.endsWith(".sig"))) {
  const problem = await findProblem(file, SIGNERS);
  if (problem === undefined) continue;
  console.error(`${file}: NOT verified: ${problem}`);
  process.exit(1);
}

const { IMAGE, IMAGE_USER, GH_TOKEN } = process.env;
if (IMAGE) pushImage(IMAGE);
// Last, and at once: who is told of the release finds all of it.
const notes = ["--notes-file", join(directory, "NOTES.md")];
run(["gh", "release", "create", `v${version}`, "--verify-tag", ...notes, ...files]);

function pushImage(image: string): void {
  // A file, because a command line can be read by everybody on the machine.
  const login = join(temporaryDirectory().path, "auth.json");
  const auth = Buffer.from(`${IMAGE_USER}:${GH_TOKEN}`).toString("base64");
  const registry = image.slice(0, image.indexOf("/"));
  writeFileSync(login, JSON.stringify({ auths: { [registry]: { auth } } }), { mode: 0o600 });
  const archive = `oci-archive:${directory}/hapgent-${version}-image.tar`;
  const target = `docker://${image}:${version}`;
  run(["skopeo", "copy", "--all", "--authfile", login, archive, target]);
}
