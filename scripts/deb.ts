// Builds the Debian package of this machine's architecture: dist/hapgent_VERSION_ARCHITECTURE.deb.
import { cpSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { version } from "../package.json";
import { needTools } from "./need.ts";
import { capture, ROOT, run, scratchDirectory } from "./run.ts";

await needTools({ "dpkg-buildpackage": "dpkg-dev", dh: "debhelper" });
run(["bun", "scripts/build.ts"]);

const directory = scratchDirectory();
const source = join(directory, "hapgent");
mkdirSync(source);
for (const part of ["debian", "systemd", "man", "scripts", "state.json"]) {
  cpSync(`${ROOT}deploy/${part}`, join(source, part), { recursive: true });
}
cpSync(`${ROOT}deploy/completion/hapgent.bash`, join(source, "completion/hapgent"));
cpSync(`${ROOT}deploy/sysv/hapgent.init`, join(source, "debian/hapgent.init"));
cpSync(`${ROOT}deploy/sysv/hapgent.logrotate`, join(source, "debian/hapgent.logrotate"));
cpSync(`${ROOT}dist/hapgent`, join(source, "hapgent"));
writeFileSync(join(source, "debian/changelog"), changelog());
run(["dpkg-buildpackage", "--unsigned-source", "--unsigned-changes", "--build=binary"], source);
for (const name of readdirSync(directory)) {
  if (name.endsWith(".deb")) cpSync(join(directory, name), `${ROOT}dist/${name}`);
}

/** One entry, of the time of the last commit: a package that is built twice is the same. */
function changelog(): string {
  const time = capture(["git", "log", "-1", "--format=%cD"]) || "Thu, 01 Jan 1970 00:00:00 +0000";
  return `hapgent (${version}) unstable; urgency=medium

  * Version ${version}; the project's CHANGELOG says what is new.

 -- hapgent authors <hapgent@example.org>  ${time}
`;
}
