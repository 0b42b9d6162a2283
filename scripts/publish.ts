// Publishes dist/release: the files as a release of the repository, and the image. CI runs it and
// sets GH_TOKEN. IMAGE is the image's place (registry/owner/hapgent) and IMAGE_USER its user;
// without IMAGE no image is pushed.
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

// A user must be able to verify every file.
for (const file of files.filter((path) => !path.endsWith(".sig"))) {
  const problem = await findProblem(file, SIGNERS);
  if (problem === undefined) continue;
  console.error(`${file}: NOT verified: ${problem}`);
  process.exit(1);
}

const { IMAGE, IMAGE_USER, GH_TOKEN } = process.env;
if (IMAGE) pushImage(IMAGE);
// The release comes last and all at once: its readers find every file and the image.
const notes = ["--notes-file", join(directory, "NOTES.md")];
run(["gh", "release", "create", `v${version}`, "--verify-tag", ...notes, ...files]);

function pushImage(image: string): void {
  // A file, because every user of the machine can read a command line.
  const login = join(temporaryDirectory().path, "auth.json");
  const auth = Buffer.from(`${IMAGE_USER}:${GH_TOKEN}`).toString("base64");
  const registry = image.slice(0, image.indexOf("/"));
  writeFileSync(login, JSON.stringify({ auths: { [registry]: { auth } } }), { mode: 0o600 });
  const archive = `oci-archive:${directory}/hapgent-${version}-image.tar`;
  const target = `docker://${image}:${version}`;
  run(["skopeo", "copy", "--all", "--authfile", login, archive, target]);
}
