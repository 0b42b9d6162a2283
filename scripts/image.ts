// Builds the container image: dist/hapgent-VERSION-image.tar, an OCI archive with an image for each
// architecture. With --built the executables are those in dist/.
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { homepage, version } from "../package.json";
import { readCommit, readCommitTime } from "./lib/git.ts";
import { options } from "./lib/package.ts";
import { capture, ROOT, run } from "./lib/shell.ts";
import { packTar } from "./lib/tar.ts";
import { temporaryDirectory } from "./lib/temporary.ts";
import { licenseExpression } from "./lib/third-party.ts";
import { needTools } from "./lib/tools.ts";

/**
 * Of each architecture: Bun's name, and where Debian has its C library, by a package of that one.
 */
const ARCHITECTURES = {
  amd64: {
    target: "linux-x64",
    loader: "/lib64/ld-linux-x86-64.so.2",
    triplet: "x86_64-linux-gnu",
  },
  arm64: {
    target: "linux-arm64",
    loader: "/lib/ld-linux-aarch64.so.1",
    triplet: "aarch64-linux-gnu",
  },
};

/** The libraries that the executable is linked to, all of them glibc's. */
const LIBRARIES = ["libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0"];

type Architecture = keyof typeof ARCHITECTURES;
const own: Architecture = process.arch === "arm64" ? "arm64" : "amd64";
const time = String(readCommitTime());

// The modes of the files that are made here are the image's.
process.umask(0o022);
await needTools({ buildah: "buildah" });
const targets = Object.values(ARCHITECTURES).map(({ target }) => target);
if (!options.built) run(["bun", "scripts/build.ts", ...targets]);
const { path: directory } = temporaryDirectory();
const context = join(directory, "context");
const architectures = Object.keys(ARCHITECTURES) as Architecture[];
for (const architecture of architectures) await collect(architecture);
copy(`${ROOT}deploy/state.json`, "state/state.json");
const buildah = [
  ...["buildah", "--root", `${directory}/root`, "--runroot", `${directory}/runroot`],
  ...["--storage-driver", "vfs"],
];
// One after another: built at once, they would be listed in any order.
for (const architecture of architectures) {
  run([
    ...[...buildah, "build", "--quiet", "--isolation", "chroot", "--manifest", "hapgent"],
    ...["--platform", `linux/${architecture}`, "--format", "oci"],
    // Made when the commit was: the time of the build, or buildah's version, would make it another
    // image, and registries clean up by age.
    ...["--timestamp", time, "--identity-label=false"],
    ...["--build-arg", `VERSION=${version}`, "--build-arg", `REVISION=${readCommit()}`],
    ...["--build-arg", `LICENSES=${licenseExpression()}`, "--build-arg", `SOURCE=${homepage}`],
    ...["--file", `${ROOT}deploy/container/Dockerfile`, context],
  ]);
}
const layout = join(directory, "layout");
const destination = `oci:${layout}:hapgent:${version}`;
run([...buildah, "manifest", "push", "--quiet", "--all", "hapgent", destination]);
// Packed by buildah (oci-archive:) it would have the time in it.
packTar(`${ROOT}dist/hapgent-${version}-image.tar`, layout, ...readdirSync(layout));

/** Copies into the context what the image of an architecture holds: executable and libraries. */
async function collect(architecture: Architecture): Promise<void> {
  const { target, loader, triplet } = ARCHITECTURES[architecture];
  const isOwn = architecture === own;
  const libraries = isOwn ? `/lib/${triplet}` : `/usr/${triplet}/lib`;
  const glibc = isOwn ? "libc6" : `libc6-${architecture}-cross`;
  await needTools({ [`${libraries}/libc.so.6`]: glibc });
  copy(`${ROOT}dist/hapgent-${version}-${target}`, `${architecture}/usr/bin/hapgent`);
  copy(isOwn ? loader : join(libraries, basename(loader)), architecture + loader);
  for (const name of LIBRARIES) {
    copy(join(libraries, name), `${architecture}/lib/${triplet}/${name}`);
  }
  for (const name of ["LICENSE", "THIRD_PARTY_NOTICES"]) {
    copy(ROOT + name, `${architecture}/usr/share/doc/hapgent/${name}`);
  }
  // The cross package, of the same source, has none.
  copy("/usr/share/doc/libc6/copyright", `${architecture}/usr/share/doc/libc6/copyright`);
  copy("/usr/lib/os-release", `${architecture}/usr/lib/os-release`);
  // Made here: or its parents would belong to the user of the state.
  const status = join(context, architecture, "var/lib/dpkg/status.d");
  mkdirSync(status, { recursive: true });
  writeFileSync(join(status, "libc6"), describePackage(glibc, architecture), { mode: 0o644 });
}

/**
 * The C library as scanners look for it in an image without dpkg: what dpkg would say of libc6. The
 * cross package has the same files under another name, and the same version with a suffix.
 */
function describePackage(glibc: string, architecture: Architecture): string {
  const format = `Package: libc6
Status: install ok installed
Priority: optional
Section: libs
Maintainer: \${Maintainer}
Architecture: ${architecture}
Multi-Arch: same
Source: glibc
Version: \${Version}
Description: GNU C Library: Shared libraries`;
  const text = capture(["dpkg-query", "--show", `--showformat=${format}`, glibc]);
  return `${text.replace(/^(Version: .*?)cross\d+$/m, "$1")}\n`;
}

/** Copies a file into the context: a checkout has the modes that its maker's umask left. */
function copy(from: string, to: string): void {
  const mode = statSync(from).mode & 0o100 ? "755" : "644";
  run(["install", "-D", `--mode=${mode}`, from, join(context, to)]);
}
