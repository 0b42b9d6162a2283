// Builds the container images: dist/hapgent-VERSION-image-ARCHITECTURE.tar for `docker load` and
// `podman load`, and dist/hapgent-VERSION-image.tar, an OCI archive of all of them, for a registry.
// With --built the executables are those in dist/.
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { version } from "../package.json";
import { capture, ROOT, run } from "./lib/shell.ts";
import { packTar } from "./lib/tar.ts";
import { temporaryDirectory } from "./lib/temporary.ts";
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
const revision = capture(["git", "rev-parse", "HEAD"]) || "unknown";

// The modes of the files that are made here are the image's.
process.umask(0o022);
await needTools({ buildah: "buildah" });
const { values: options } = parseArgs({ options: { built: { type: "boolean", default: false } } });
const targets = Object.values(ARCHITECTURES).map(({ target }) => target);
if (!options.built) run(["bun", "scripts/build.ts", ...targets]);
const { path: directory } = temporaryDirectory();
const buildah = [
  ...["buildah", "--root", `${directory}/root`, "--runroot", `${directory}/runroot`],
  ...["--storage-driver", "vfs"],
];
run([...buildah, "manifest", "create", "hapgent"]);
await build("amd64");
await build("arm64");
const layout = join(directory, "layout");
run([...buildah, "manifest", "push", "--quiet", "--all", "hapgent", `oci:${layout}`]);
// Packed by buildah (oci-archive:) it would have the time in it.
packTar(`${ROOT}dist/hapgent-${version}-image.tar`, layout, ...readdirSync(layout));

async function build(architecture: Architecture): Promise<void> {
  const context = join(directory, architecture);
  await collect(architecture, context);
  const name = `hapgent:${version}-${architecture}`;
  run([
    ...[
      ...buildah,
      "build",
      "--quiet",
      "--isolation",
      "chroot",
      "--platform",
      `linux/${architecture}`,
    ],
    // HEALTHCHECK is Docker's; a time of its own would make each build another image.
    ...["--format", "docker", "--timestamp", "0"],
    ...["--build-arg", `VERSION=${version}`, "--build-arg", `REVISION=${revision}`],
    ...["--file", `${ROOT}deploy/container/Dockerfile`, "--tag", name, context],
  ]);
  run([...buildah, "manifest", "add", "hapgent", name]);
  const content = join(directory, `${architecture}-archive`);
  const archive = `${content}.tar`;
  run([...buildah, "push", "--quiet", name, `docker-archive:${archive}:hapgent:${version}`]);
  mkdirSync(content);
  run(["tar", "-xf", archive], content);
  const names = forgetBuild(content);
  const result = `${ROOT}dist/hapgent-${version}-image-${architecture}.tar`;
  run(
    ["tar", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "-cf", result, ...names],
    content,
  );
}

/**
 * Removes from an unpacked archive what is different each time, so that the image's ID stays the
 * same, and returns the names of the files that make it up.
 */
function forgetBuild(content: string): string[] {
  const manifest = join(content, "manifest.json");
  const [image] = JSON.parse(readFileSync(manifest, "utf8"));
  const { container, container_config, ...config } = JSON.parse(
    readFileSync(join(content, image.Config), "utf8"),
  );
  const text = JSON.stringify({ ...config, config: { ...config.config, Hostname: "" } });
  rmSync(join(content, image.Config));
  const name = `${new Bun.CryptoHasher("sha256").update(text).digest("hex")}.json`;
  writeFileSync(join(content, name), text);
  const tags = [`hapgent:${version}`];
  writeFileSync(manifest, JSON.stringify([{ ...image, Config: name, RepoTags: tags }]));
  return ["manifest.json", name, ...image.Layers];
}

/** Copies what the image holds into a context: the executable, its libraries and a first state. */
async function collect(architecture: Architecture, context: string): Promise<void> {
  const { target, loader, triplet } = ARCHITECTURES[architecture];
  let libraries = `/lib/${triplet}`;
  let loaderFile = loader;
  if (architecture !== own) {
    libraries = `/usr/${triplet}/lib`;
    loaderFile = join(libraries, loader.slice(loader.lastIndexOf("/")));
    await needTools({ [`${libraries}/libc.so.6`]: `libc6-${architecture}-cross` });
  }
  const copy = (from: string, to: string) => {
    mkdirSync(dirname(join(context, to)), { recursive: true });
    cpSync(from, join(context, to), { dereference: true });
    // A checkout has the modes that its maker's umask left.
    chmodSync(join(context, to), statSync(from).mode & 0o100 ? 0o755 : 0o644);
  };
  copy(`${ROOT}dist/hapgent-${version}-${target}`, "rootfs/usr/bin/hapgent");
  copy(loaderFile, `rootfs${loader}`);
  for (const name of LIBRARIES) copy(join(libraries, name), `rootfs/lib/${triplet}/${name}`);
  copy(`${ROOT}deploy/state.json`, "state/state.json");
  // Here, or they would belong to the user of the state.
  mkdirSync(join(context, "rootfs/var/lib"), { recursive: true });
}
