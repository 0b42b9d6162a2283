// Builds the Debian package of this machine's architecture, or of those named, amd64 and arm64:
// dist/hapgent_VERSION_ARCHITECTURE.deb. With --built the executables are those in dist/.
import { cpSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { version } from "../package.json";
import { capture, ROOT, run } from "./lib/shell.ts";
import { temporaryDirectory } from "./lib/temporary.ts";
import { needTools } from "./lib/tools.ts";

/** The target of the executable, by Debian's name of the architecture. */
const TARGETS: Record<string, string> = { amd64: "linux-x64", arm64: "linux-arm64" };

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
  for (const part of ["debian", "systemd", "man", "scripts", "state.json"]) {
    cpSync(`${ROOT}deploy/${part}`, join(source, part), { recursive: true });
  }
  cpSync(`${ROOT}deploy/hapgent.default`, join(source, "debian/hapgent.default"));
  cpSync(`${ROOT}deploy/completion/hapgent.bash`, join(source, "completion/hapgent"));
  cpSync(`${ROOT}deploy/sysv/hapgent.init`, join(source, "debian/hapgent.init"));
  cpSync(`${ROOT}deploy/sysv/hapgent.logrotate`, join(source, "debian/hapgent.logrotate"));
  cpSync(`${ROOT}dist/hapgent-${version}-${target}`, join(source, "hapgent"));
  writeFileSync(join(source, "debian/changelog"), changelog());
  // For another architecture nothing is compiled: there is nothing to check and no compiler to
  // need.
  const foreign = ["--host-arch", architecture, "--no-check-builddeps"];
  const unsigned = ["--unsigned-source", "--unsigned-changes", "--build=binary"];
  run(["dpkg-buildpackage", ...unsigned, ...foreign], source);
  for (const name of readdirSync(directory)) {
    if (name.endsWith(".deb")) cpSync(join(directory, name), `${ROOT}dist/${name}`);
  }
}

/** One entry, of the time of the last commit: a package that is built twice is the same. */
function changelog(): string {
  const time = capture(["git", "log", "-1", "--format=%cD"]) || "Thu, 01 Jan 1970 00:00:00 +0000";
  return `hapgent (${version}) unstable; urgency=medium

  * Version ${version}; the project's CHANGELOG says what is new.

 -- hapgent authors <hapgent@example.org>  ${time}
`;
}
