// Builds the RPM package of this machine's architecture, or of the one named, x86_64 or aarch64:
// dist/hapgent-VERSION-1.ARCHITECTURE.rpm. With --built the executable is that in dist/; --fast
// compresses as little as possible.
import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readCommitTime } from "./lib/git.ts";
import { architectures, buildExecutable, fillIn, options } from "./lib/package.ts";
import { output, ROOT } from "./lib/shell.ts";
import { temporaryDirectory } from "./lib/temporary.ts";
import { needTools } from "./lib/tools.ts";
import { packageVersion } from "./lib/version.ts";

/** The target of the executable, by the name of the architecture. */
const TARGETS: Record<string, string> = { x86_64: "linux-x64", aarch64: "linux-arm64" };

/** What the package holds, beside the executable. */
const SOURCES = [
  ...["README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE", "THIRD_PARTY_NOTICES"],
  ...["completion", "haproxy", "man", "monitoring", "nftables", "scripts", "systemd"].map(
    (name) => `deploy/${name}`,
  ),
  ...["deploy/hapgent.default", "deploy/state.json"],
];

await needTools({ rpmbuild: "rpm", gzip: "gzip" });
const [architecture = process.arch === "arm64" ? "aarch64" : "x86_64"] = architectures;
const executable = buildExecutable(TARGETS[architecture] ?? "unknown");
const { path: directory } = temporaryDirectory();
const sources = join(directory, "SOURCES");
for (const name of SOURCES) {
  cpSync(ROOT + name, join(sources, name), { recursive: true, dereference: true });
}
cpSync(executable, join(sources, "hapgent"));
mkdirSync(join(directory, "BUILD"));
const spec = join(directory, "hapgent.spec");
const time = readCommitTime();
const [weekday, day, month, year] = new Date(time * 1000).toUTCString().split(/,? /);
fillIn(`${ROOT}deploy/rpm/hapgent.spec`, spec, {
  DATE: `${weekday} ${month} ${day} ${year}`,
  VERSION: packageVersion(),
  SYSUSERS: readFileSync(`${ROOT}deploy/systemd/sysusers.conf`, "utf8").trimEnd(),
});
// The modes of its directories are the package's.
process.umask(0o022);
await output(
  [
    ...["rpmbuild", "-bb", "--target", `${architecture}-linux`],
    ...["--define", `_topdir ${directory}`],
    ...["--define", `_binary_payload ${options.fast ? "w1.zstdio" : "w19.zstdio"}`, spec],
  ],
  { limit: 900, env: { SOURCE_DATE_EPOCH: String(time), LC_ALL: "C.UTF-8", TZ: "UTC" } },
);
const name = `hapgent-${packageVersion()}-1.${architecture}.rpm`;
cpSync(join(directory, "RPMS", architecture, name), `${ROOT}dist/${name}`);
