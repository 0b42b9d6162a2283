// Builds the Debian package of this machine's architecture, or of those named, amd64 and arm64:
// dist/hapgent_VERSION_ARCHITECTURE.deb, and beside it what it was built with, .buildinfo. With --built the executables are those in dist/.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { author, homepage, repository, version } from "../package.json";
import { readCommitTime } from "./lib/git.ts";
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
const { values: options, positionals: named } = parseArgs({
  options: { built: { type: "boolean", default: false } },
  allowPositionals: true,
});
if (named.length === 0) named.push(capture(["dpkg", "--print-architecture"]));
for (const architecture of named) build(architecture, TARGETS[architecture] ?? "unknown");

function build(architecture: string, target: string): void {
  if (!options.built) run(["bun", "scripts/build.ts", target]);
  const { path: directory } = temporaryDirectory();
  const source = join(directory, "hapgent");
  mkdirSync(source);
  for (const [name, place] of Object.entries(SOURCES)) {
    cpSync(`${ROOT}deploy/${name}`, join(source, place), { recursive: true });
  }
  for (const name of ["control", "copyright"]) fillIn(join(source, "debian", name));
  cpSync(`${ROOT}dist/hapgent-${version}-${target}`, join(source, "hapgent"));
  writeFileSync(join(source, "debian/changelog"), changelog());
  // For another architecture nothing is compiled: there is nothing to check and no compiler to
  // need.
  const foreign = ["--host-arch", architecture, "--no-check-builddeps"];
  const unsigned = ["--unsigned-source", "--unsigned-changes", "--build=binary"];
  // The language and the zone of whoever builds it would be in .buildinfo.
  const same = ["env", "--unset=LANG", "--unset=LANGUAGE", "LC_ALL=C.UTF-8", "TZ=UTC"];
  run([...same, "dpkg-buildpackage", ...unsigned, ...foreign], source);
  const name = `hapgent_${packageVersion()}_${architecture}`;
  cpSync(join(directory, `${name}.deb`), `${ROOT}dist/${name}.deb`);
  writeFileSync(
    `${ROOT}dist/${name}.buildinfo`,
    readBuildInfo(join(directory, `${name}.buildinfo`)),
  );
}

/** Puts what package.json and the notices say in place of @NAME@. */
function fillIn(path: string): void {
  const fields = {
    AUTHOR: author,
    HOMEPAGE: homepage,
    REPOSITORY: repository.url,
    LICENSES: licenseExpression()
      .replaceAll(/(.{1,76})( |$)/g, " $1\n")
      .trimEnd(),
  };
  let text = readFileSync(path, "utf8");
  for (const [name, value] of Object.entries(fields)) text = text.replaceAll(`@${name}@`, value);
  writeFileSync(path, text);
}

/** What dpkg says of a build, without when it was: all else is the same for the same tools. */
function readBuildInfo(path: string): string {
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.filter((line) => !/^Build-(Date|Path):/.test(line)).join("\n");
}

/** One entry, of the time of the last commit: a package that is built twice is the same. */
function changelog(): string {
  const time = new Date(readCommitTime() * 1000).toUTCString().replace("GMT", "+0000");
  return `hapgent (${packageVersion()}) unstable; urgency=medium

  * Version ${version}; the project's CHANGELOG says what is new.

 -- ${author}  ${time}
`;
}
