// Builds the Debian package of this machine's architecture, or of the one named, amd64 or arm64:
// dist/hapgent_VERSION_ARCHITECTURE.deb, and beside it what it was built with, .buildinfo. With --built the executable is that in dist/.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { author, version } from "../package.json";
import { readCommitTime } from "./lib/git.ts";
import { architectures, buildExecutable, fillIn } from "./lib/package.ts";
import { capture, ROOT, run } from "./lib/shell.ts";
import { temporaryDirectory } from "./lib/temporary.ts";
import { licenseExpression } from "./lib/third-party.ts";
import { needTools } from "./lib/tools.ts";
import { packageVersion } from "./lib/version.ts";

/** The target of the executable, by Debian's name of the architecture. */
const TARGETS: Record<string, string> = { amd64: "linux-x64", arm64: "linux-arm64" };

/** What the source package has of `deploy/`, and where. */
const SOURCES: Record<string, string> = {
  ...{ debian: "debian", systemd: "systemd", scripts: "scripts", man: "man" },
  ...{ haproxy: "haproxy", monitoring: "monitoring", nftables: "nftables" },
  "state.json": "state.json",
  "systemd/sysusers.conf": "debian/hapgent.sysusers",
  "systemd/tmpfiles.conf": "debian/hapgent.tmpfiles",
  "../THIRD_PARTY_NOTICES": "THIRD_PARTY_NOTICES",
  "hapgent.default": "debian/hapgent.default",
  "sysv/hapgent.init": "debian/hapgent.init",
  "sysv/hapgent.logrotate": "debian/hapgent.logrotate",
  // The name that bash looks for.
  "completion/hapgent.bash": "completion/hapgent",
  "completion/_hapgent": "completion/_hapgent",
  "completion/hapgent.fish": "completion/hapgent.fish",
};

await needTools({ "dpkg-buildpackage": "dpkg-dev", dh: "debhelper" });
const [architecture = capture(["dpkg", "--print-architecture"])] = architectures;
const executable = buildExecutable(TARGETS[architecture] ?? "unknown");
const { path: directory } = temporaryDirectory();
const source = join(directory, "hapgent");
const debian = join(source, "debian");
mkdirSync(source);
for (const [name, place] of Object.entries(SOURCES)) {
  cpSync(`${ROOT}deploy/${name}`, join(source, place), { recursive: true });
}
cpSync(executable, join(source, "hapgent"));
const lines = licenseExpression()
  .replaceAll(/(.{1,76})( |$)/g, " $1\n")
  .trimEnd();
for (const name of ["control", "copyright"]) {
  fillIn(join(debian, name), join(debian, name), { LICENSES: lines });
}
// One entry, of the time of the last commit: a package that is built twice is the same.
const time = new Date(readCommitTime() * 1000).toUTCString().replace("GMT", "+0000");
writeFileSync(
  join(debian, "changelog"),
  `hapgent (${packageVersion()}) unstable; urgency=medium

  * Version ${version}; the project's CHANGELOG says what is new.

 -- ${author}  ${time}
`,
);
run(
  [
    // The language and the zone of whoever builds it would be in .buildinfo.
    ...["env", "--unset=LANG", "--unset=LANGUAGE", "LC_ALL=C.UTF-8", "TZ=UTC"],
    ...["dpkg-buildpackage", "--unsigned-source", "--unsigned-changes", "--build=binary"],
    // For another architecture nothing is compiled: there is nothing to check and no compiler to need.
    ...["--host-arch", architecture, "--no-check-builddeps"],
  ],
  source,
);
const name = `hapgent_${packageVersion()}_${architecture}`;
cpSync(join(directory, `${name}.deb`), `${ROOT}dist/${name}.deb`);
// Without when it was built: all else is the same for the same tools.
const info = readFileSync(join(directory, `${name}.buildinfo`), "utf8");
writeFileSync(`${ROOT}dist/${name}.buildinfo`, info.replaceAll(/^Build-(Date|Path):.*\n/gm, ""));
