// Publishes dist/release: its files as a release of the repository; with --image, before that, the
// image. CI runs it and sets GH_TOKEN; IMAGE is the image's place (registry/owner/hapgent) and
// IMAGE_USER its user. Without IMAGE no image is pushed.
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { version } from "../package.json";
import { ROOT, run } from "./lib/shell.ts";
import { temporaryDirectory } from "./lib/temporary.ts";
import { needTools } from "./lib/tools.ts";
import { isPrerelease } from "./lib/version.ts";
import { verifyRelease } from "./verify.ts";

const { values: options } = parseArgs({ options: { image: { type: "boolean", default: false } } });
const directory = `${ROOT}dist/release`;
const files = readdirSync(directory).map((name) => join(directory, name));
await needTools({ gh: "gh", skopeo: "skopeo" });

// A user must be able to verify every file.
await verifyRelease(directory);

const { IMAGE, IMAGE_USER, GH_TOKEN, GITHUB_OUTPUT } = process.env;
if (!options.image) publishFiles();
else if (IMAGE) pushImage(IMAGE);

/** The release comes last and all at once: its readers find every file and the image. */
function publishFiles(): void {
  const notes = ["--notes-file", join(directory, "NOTES.md")];
  const kind = isPrerelease() ? ["--prerelease"] : [];
  run(["gh", "release", "create", `v${version}`, "--verify-tag", ...kind, ...notes, ...files]);
}

/** Pushes the image, and tells the steps of CI after this one its digest. */
function pushImage(image: string): void {
  const { path } = temporaryDirectory();
  // A file, because every user of the machine can read a command line.
  const login = join(path, "auth.json");
  const auth = Buffer.from(`${IMAGE_USER}:${GH_TOKEN}`).toString("base64");
  const registry = image.slice(0, image.indexOf("/"));
  writeFileSync(login, JSON.stringify({ auths: { [registry]: { auth } } }), { mode: 0o600 });
  const digest = join(path, "digest");
  const said = ["--all", "--authfile", login, "--digestfile", digest];
  const archive = `oci-archive:${directory}/hapgent-${version}-image.tar`;
  run(["skopeo", "copy", ...said, archive, `docker://${image}:${version}`]);
  appendFileSync(GITHUB_OUTPUT ?? "/dev/stdout", `digest=${readFileSync(digest, "utf8").trim()}\n`);
}
