// Builds the RPM package of this machine's architecture, or of those named, x86_64 and aarch64:
// dist/hapgent-VERSION-1.ARCHITECTURE.rpm. With --built the executables are those in dist/; --fast
// compresses as little as possible, and --release N makes a later package of the same version, for
// tests.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { author, homepage, version } from "../package.json";
import { readCommitTime } from "./lib/git.ts";
import { output, ROOT, run } from "./lib/shell.ts";
import { temporaryDirectory } from "./lib/temporary.ts";
import { licenseExpression } from "./lib/third-party.ts";
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

const RPM_VERSION = packageVersion();

await needTools({ rpmbuild: "rpm", gzip: "gzip" });
const { values: options, positionals: named } = parseArgs({
  options: {
    built: { type: "boolean", default: false },
    fast: { type: "boolean", default: false },
    release: { type: "string", default: "1" },
  },
  allowPositionals: true,
});
if (named.length === 0) named.push(process.arch === "arm64" ? "aarch64" : "x86_64");
for (const architecture of named) await build(architecture, TARGETS[architecture] ?? "unknown");

async function build(architecture: string, target: string): Promise<void> {
  if (!options.built) run(["bun", "scripts/build.ts", target]);
  using directory = temporaryDirectory();
  const sources = join(directory.path, "SOURCES");
  for (const name of SOURCES) {
    cpSync(ROOT + name, join(sources, name), { recursive: true, dereference: true });
  }
  cpSync(`${ROOT}dist/hapgent-${version}-${target}`, join(sources, "hapgent"));
  const spec = join(directory.path, "hapgent.spec");
  const time = readCommitTime();
  writeFileSync(spec, fillSpec(time));
  mkdirSync(join(directory.path, "BUILD"));
  const payload = options.fast ? "w1.zstdio" : "w19.zstdio";
  // The modes of its directories are the package's.
  process.umask(0o022);
  await output(
    [
      ...["rpmbuild", "-bb", "--target", `${architecture}-linux`],
      ...["--define", `_topdir ${directory.path}`, "--define", `_binary_payload ${payload}`],
      spec,
    ],
    { limit: 900, env: { SOURCE_DATE_EPOCH: String(time), LC_ALL: "C.UTF-8", TZ: "UTC" } },
  );
  const name = `hapgent-${RPM_VERSION}-${options.release}.${architecture}.rpm`;
  cpSync(join(directory.path, "RPMS", architecture, name), `${ROOT}dist/${name}`);
  console.log(`dist/${name}`);
}

/** The spec with what comes from elsewhere. */
function fillSpec(time: number): string {
  const [weekday, day, month, year] = new Date(time * 1000).toUTCString().split(/,? /);
  const fields = {
    AUTHOR: author,
    HOMEPAGE: homepage,
    LICENSES: licenseExpression(),
    DATE: `${weekday} ${month} ${day} ${year}`,
    VERSION: RPM_VERSION,
    RELEASE: options.release,
    SYSUSERS: readFileSync(`${ROOT}deploy/systemd/sysusers.conf`, "utf8").trimEnd(),
  };
  let text = readFileSync(`${ROOT}deploy/rpm/hapgent.spec`, "utf8");
  for (const [name, value] of Object.entries(fields)) {
    text = text.replaceAll(`@${name}@`, () => value);
  }
  return text;
}
