// The image runs with no rights, read-only, within its memory limit; its state outlives it; and
// the same commit makes the same image.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "../../package.json";
import { startAgent } from "../../scripts/lib/agent.ts";
import { readCommitTime } from "../../scripts/lib/git.ts";
import { outcome, output, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { licenseExpression } from "../../scripts/lib/third-party.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { baseRoot, bootMachine, type Machine } from "./machine.ts";

const IMAGE = `hapgent:${version}`;
const ARCHIVE = `${ROOT}dist/hapgent-${version}-image.tar`;
const ARCHITECTURE = process.arch === "arm64" ? "arm64" : "amd64";
const CONTAINER = `${ROOT}deploy/container`;
/** Podman as it works where systemd is not the first process. */
const SETTINGS = `[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
[network]
network_backend = "netavark"
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=1000:1000"]
`;
/** The least that a container can be given. */
const RESTRICTED =
  "--network=none --memory=48m --pids-limit=32 --read-only --cap-drop=all --security-opt=no-new-privileges";

/** An OCI image has no health check: this is the compose file's. */
const HEALTHCHECK = readHealthcheck();

let machine: Machine;

beforeAll(async () => {
  await output(["bun", "scripts/image.ts"], { cwd: ROOT, limit: 600 });
  const haproxy = join(tmpdir(), "haproxy.tar");
  await output(["tar", "-C", await baseRoot(), "--exclude=./usr/share", "-cf", haproxy, "."]);
  machine = await bootMachine({
    init: "none",
    base: "/",
    files: { "/etc/containers/containers.conf": SETTINGS },
    binds: {
      "/srv/hapgent.tar": ARCHIVE,
      "/srv/haproxy.tar": haproxy,
      ...Object.fromEntries(
        ["compose.yaml", "demo/haproxy.cfg", "demo/service.cfg"].map((name) => [
          `/srv/${name}`,
          join(CONTAINER, name),
        ]),
      ),
    },
  });
  for (const path of ["/var/lib/containers", "/var/tmp"]) {
    await machine.run(["sh", "-c", `mkdir -p ${path} && mount -t tmpfs tmpfs ${path}`]);
  }
  await machine.run("podman load --quiet --input /srv/hapgent.tar");
});

afterAll(async () => {
  await machine[Symbol.asyncDispose]();
});

function readHealthcheck(): string[] {
  const { services } = Bun.YAML.parse(readFileSync(`${CONTAINER}/compose.yaml`, "utf8")) as {
    services: { "agent-one": { healthcheck: { test: string[] } } };
  };
  return services["agent-one"].healthcheck.test;
}

/** Starts a container and waits until its agent answers. */
async function start(name: string, options: string, reply = "UP"): Promise<void> {
  await machine.run(`podman run --detach --name ${name} ${options} ${IMAGE}`);
  await status(name, reply);
}

/** Waits until the agent in a container answers this. */
async function status(name: string, reply: string, ...options: string[]): Promise<void> {
  const command = ["podman", "exec", name, "hapgent", "status", ...options];
  await until(`${name} answers ${reply}`, async () => {
    return (await machine.try(command)).stdout.trim() === reply;
  });
}

async function inspect(name: string, format: string): Promise<string> {
  return await machine.run(["podman", "inspect", `--format={{${format}}}`, name]);
}

/** What one part of an OCI archive says of another. */
interface Descriptor {
  readonly digest: string;
  readonly platform?: { readonly os: string; readonly architecture: string };
}

interface Manifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** The path in the archive of what has this digest. */
function blob({ digest }: Descriptor): string {
  return `blobs/${digest.replace(":", "/")}`;
}

async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(await output(["tar", "--extract", "--to-stdout", "--file", ARCHIVE, path]));
}

/** The images of the archive: it has one name, of a list of them. */
async function listImages(): Promise<Descriptor[]> {
  const index = await readJson<{ manifests: [Descriptor] }>("index.json");
  return (await readJson<{ manifests: Descriptor[] }>(blob(index.manifests[0]))).manifests;
}

async function readImage(architecture: string): Promise<Manifest> {
  const image = (await listImages()).find(
    ({ platform }) => platform?.architecture === architecture,
  );
  if (!image) throw new Error(`expected an image for ${architecture}`);
  return await readJson<Manifest>(blob(image));
}

/** The ID of an image is the digest of its configuration. */
async function imageId(architecture: string): Promise<string> {
  return (await readImage(architecture)).config.digest;
}

test("it runs with no rights, read-only and in 48 MB, as the first process", async () => {
  // Podman's option puts CMD before a list.
  const health = `--health-cmd=${JSON.stringify(HEALTHCHECK.slice(1))}`;
  await start("least", `${health} ${RESTRICTED}`);
  const pid = await inspect("least", ".State.Pid");
  const text = await machine.read(`/proc/${pid}/status`);
  expect(text).toMatch(/^Uid:\t65532\t65532\t65532\t65532$/m);
  expect(text).toMatch(/^NSpid:\t\d+\t1$/m);
  expect(text).toMatch(/^Cap(Inh|Prm|Eff|Bnd|Amb):\t0+$/m);
  expect(text).toMatch(/^CapBnd:\t0+$/m);
  expect(text).toMatch(/^NoNewPrivs:\t1$/m);
  expect(text).toMatch(/^Threads:\t3$/m);
  const limits = await machine.run([
    ...["sh", "-c", "cat $(find /sys/fs/cgroup -name memory.max -o -name memory.limit_in_bytes)"],
  ]);
  expect(limits.split("\n")).toContain(String(48 << 20));
  const healthcheck = await inspect("least", "json .Config.Healthcheck.Test");
  expect(healthcheck).toBe('["CMD","hapgent","status"]');
  expect(JSON.parse(healthcheck)).toEqual(HEALTHCHECK);
  expect((await machine.try("podman healthcheck run least")).exitCode).toBe(0);
});

test("signals change its state, and SIGTERM ends it with 0", async () => {
  await machine.run("podman kill --signal=USR2 least");
  await status("least", "DOWN");
  // It is killed, with 137, when that is not enough.
  await machine.run("podman stop --time=30 least");
  expect(await inspect("least", ".State.ExitCode")).toBe("0");
  expect((await machine.try("podman healthcheck run least")).exitCode).not.toBe(0);
});

test("its state lives in a volume, whichever container has it", async () => {
  await start("first", `${RESTRICTED} --volume=state:/var/lib/hapgent`);
  await machine.run("podman kill --signal=USR2 first");
  const directory = await machine.run("podman volume inspect --format={{.Mountpoint}} state");
  await until("the save", async () =>
    (await machine.read(`${directory}/state.json`)).includes("DOWN"),
  );
  await machine.run("podman rm --force first");
  await machine.run(
    `podman run --detach --name second --volume=state:/var/lib/hapgent ${RESTRICTED} ${IMAGE}`,
  );
  await status("second", "DOWN");
  await machine.run("podman rm --force second");
});

test("an image of your own builds from an unpacked release, and from a checkout", async () => {
  using directory = temporaryDirectory();
  const root = directory.path;
  const collect = ["sh", join(root, "deploy/container/collect.sh")];
  await output(["mkdir", join(root, "deploy"), join(root, "dist")]);
  await output(["cp", "-r", CONTAINER, `${ROOT}deploy/state.json`, join(root, "deploy")]);
  expect((await outcome(collect)).stderr).toContain("in a checkout, bun run build makes it");
  await output(["cp", `${ROOT}dist/hapgent`, join(root, "dist")]);
  await output(collect);
  const executable = join(root, "deploy/container", ARCHITECTURE, "usr/bin/hapgent");
  await output(["cmp", `${ROOT}dist/hapgent`, executable]);

  await output(["mv", join(root, "dist/hapgent"), join(root, "hapgent")]);
  await output(collect);
  const storage = `--root=${root}/root --runroot=${root}/runroot --storage-driver=vfs`;
  const buildah = ["buildah", ...storage.split(" ")];
  const context = join(root, "deploy/container");
  await output([...buildah, "bud", "--quiet", "--isolation=chroot", "--tag=own", context]);
  const container = await output([...buildah, "from", "own"]);
  const run = ["run", "--isolation=chroot", container, "hapgent", "--version"];
  expect(await output([...buildah, ...run])).toStartWith(`hapgent ${version} (`);
  await output([...buildah, "rm", container]);
});

test("the image says what it is, when it was made, and is tuned", async () => {
  // When the commit was: registries clean up by age.
  const created = JSON.parse(await inspect(IMAGE, "json .Created")) as string;
  expect(Date.parse(created)).toBe(readCommitTime() * 1000);
  const variables = JSON.parse(await inspect(IMAGE, "json .Config.Env")) as string[];
  for (const [name, value] of Object.entries(TUNED))
    expect(variables).toContain(`${name}=${value}`);
  const labels = JSON.parse(await inspect(IMAGE, "json .Labels")) as Record<string, string>;
  expect(labels["org.opencontainers.image.version"]).toBe(version);
  expect(labels["org.opencontainers.image.revision"]).toMatch(/^[0-9a-f]{40}$/);
  expect(labels["org.opencontainers.image.licenses"]).toBe(licenseExpression());
  expect(`sha256:${await inspect(IMAGE, ".Id")}`).toBe(await imageId("amd64"));
});

test("the archive has an image for each architecture", async () => {
  const found = (await listImages()).map(
    ({ platform }) => `${platform?.os}/${platform?.architecture}`,
  );
  expect(found).toEqual(["linux/amd64", "linux/arm64"]);
});

async function unpackImage(architecture: string, root: string): Promise<void> {
  const { layers } = await readImage(architecture);
  const unpack = 'tar -xOf "$0" "$1" | tar -C "$2" -xz';
  for (const layer of layers) await output(["sh", "-c", unpack, ARCHIVE, blob(layer), root]);
}

test.each(["amd64", "arm64"])(
  "the image for %s says what it holds, and by which terms",
  async (name) => {
    using directory = temporaryDirectory();
    await unpackImage(name, directory.path);
    const read = (path: string) => readFileSync(join(directory.path, path), "utf8");
    for (const file of ["LICENSE", "THIRD_PARTY_NOTICES"]) {
      expect(read(`usr/share/doc/hapgent/${file}`)).toBe(readFileSync(ROOT + file, "utf8"));
    }
    expect(read("usr/share/doc/libc6/copyright")).toContain("GNU C Library");
    expect(read("usr/lib/os-release")).toContain("ID=debian\n");
    const status = read("var/lib/dpkg/status.d/libc6");
    expect(status).toMatch(/^Package: libc6\n/);
    expect(status).toContain(`\nArchitecture: ${name}\n`);
    expect(status).toMatch(/^Version: 2\.\d+-[0-9a-z+]+$/m);
    expect(status).not.toContain("cross");
  },
);

test("the image for arm64 holds all that its agent needs: it answers, reloads, saves and stops", async () => {
  using directory = temporaryDirectory();
  const root = directory.path;
  await unpackImage("arm64", root);
  await using agent = await startAgent({
    executable: join(root, "usr/bin/hapgent"),
    launcher: ["qemu-aarch64-static", "-L", root],
    state: { status: "READY", weight: 75 },
    // Untuned it would execute itself, which the kernel cannot.
    env: TUNED,
  });
  expect(await agent.ask()).toBe("READY 75%\n");
  agent.change({ status: "DRAIN", maxconn: 10 });
  await agent.answers("DRAIN maxconn:10\n");
  agent.signal("SIGUSR2");
  await until("the save", () => agent.file().includes('"DOWN"'));
  expect(await agent.stop()).toBe(0);
}, 60_000);

test("the same commit makes the same images", async () => {
  const before = [await imageId("amd64"), await imageId("arm64")];
  await output(["bun", "scripts/image.ts"], { cwd: ROOT, limit: 600 });
  expect([await imageId("amd64"), await imageId("arm64")]).toEqual(before);
});

test("the compose file's HAProxy follows its agents", async () => {
  const command = 'CMD ["haproxy","-f","/usr/local/etc/haproxy/haproxy.cfg"]';
  await machine.run([
    ...["podman", "import", "--quiet", "--change", command],
    ...["/srv/haproxy.tar", "docker.io/library/haproxy:3.0"],
  ]);
  const compose = async (...args: string[]) =>
    await machine.run(["sh", "-c", 'cd /srv && podman-compose "$@"', "sh", ...args], {
      limit: 120,
    });
  await compose("up", "--detach");
  const answers = async () => {
    const names = new Set<string>();
    for (let request = 1; request <= 6; request += 1) names.add(await get());
    return [...names].toSorted().join(" ");
  };
  const get = async () => (await machine.try("curl --silent http://127.0.0.1:8080/")).stdout.trim();
  await until("both answer", async () => (await answers()) === "one two");
  const control = (name: string, ...args: string[]) =>
    machine.run(["podman", "exec", `srv_agent-${name}_1`, "hapgent", "ctl", ...args]);
  await control("one", "set", "status", "DRAIN", "deploying v42");
  expect(await control("one", "wait", "30")).toStartWith("ok");
  expect(await answers()).toBe("two");
  await control("one", "set", "status", "READY");
  await until("both answer again", async () => (await answers()) === "one two");
});
