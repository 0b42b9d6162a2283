// The image of a release runs with no rights, read-only, within its memory limit, and its state outlives
// it. For each architecture it holds all that its agent needs, and says what that is. That the same
// commit makes the same image is held by release.test.ts.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "../../package.json";
import { startAgent } from "../../scripts/lib/agent.ts";
import { outcome, output, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { licenseExpression } from "../../scripts/lib/third-party.ts";
import { until } from "../../scripts/lib/until.ts";
import { baseRoot, bootMachine, type Machine } from "./machine.ts";
import { baseRelease, baseTree } from "./release.ts";

const IMAGE = `hapgent:${version}`;
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
/** How long what takes seconds may take on a busy machine (ms). */
const DEADLINE = 300_000;
/** The least that a container can be given. */
const RESTRICTED =
  "--network=none --memory=48m --pids-limit=32 --read-only --cap-drop=all --security-opt=no-new-privileges";

let archive: string;
let machine: Machine;

beforeAll(async () => {
  archive = join(await baseRelease(), `hapgent-${version}-image.tar`);
  const haproxy = join(tmpdir(), "haproxy.tar");
  await output(["tar", "-C", await baseRoot(), "--exclude=./usr/share", "-cf", haproxy, "."]);
  machine = await bootMachine({
    init: "none",
    base: "/",
    binds: {
      "/srv/hapgent.tar": archive,
      "/srv/haproxy.tar": haproxy,
      "/srv/compose": CONTAINER,
    },
  });
  await machine.write("/etc/containers/containers.conf", SETTINGS);
  await machine.sh(`for path in /var/lib/containers /var/tmp; do
    mkdir -p $path && mount -t tmpfs tmpfs $path; done`);
  await machine.run("podman load --quiet --input /srv/hapgent.tar");
});

afterAll(async () => {
  await machine[Symbol.asyncDispose]();
});

/** Starts a container, and waits until its agent answers this. */
async function start(name: string, reply: string, ...options: string[]): Promise<void> {
  await machine.run(["podman", "run", "--detach", "--name", name, ...options, IMAGE]);
  const ask = () => machine.try(`podman exec ${name} hapgent status`);
  await until(
    `${name} answers ${reply}`,
    async () => (await ask()).stdout.trim() === reply,
    DEADLINE,
  );
}

async function inspect(name: string, format: string): Promise<string> {
  return await machine.run(["podman", "inspect", `--format={{${format}}}`, name]);
}

/** buildah with a storage of its own, below a directory. */
function startBuildah(directory: string) {
  const storage = ["--root", `${directory}/root`, "--runroot", `${directory}/runroot`];
  return (...args: string[]) => output(["buildah", ...storage, "--storage-driver=vfs", ...args]);
}

test("it runs with no rights, read-only and in 48 MB; its state outlives it in a volume", async () => {
  const options = [...RESTRICTED.split(" "), "--volume=state:/var/lib/hapgent"];
  await start("least", "UP", ...options);
  const pid = await inspect("least", ".State.Pid");
  const text = await machine.read(`/proc/${pid}/status`);
  expect(text).toMatch(/^Uid:\t65532\t65532\t65532\t65532$/m);
  expect(text).toMatch(/^NSpid:\t\d+\t1$/m);
  expect(text).not.toMatch(/^Cap\w+:\t0*[1-9a-f]/m);
  expect(text).toMatch(/^NoNewPrivs:\t1$/m);
  expect(text).toMatch(/^Threads:\t3$/m);
  await machine.run("podman kill --signal=USR2 least");
  const directory = await machine.run("podman volume inspect --format={{.Mountpoint}} state");
  const isSaved = async () => (await machine.read(`${directory}/state.json`)).includes("DOWN");
  await until("the save", isSaved);
  // It is killed, with 137, when SIGTERM is not enough.
  await machine.run("podman stop --time=120 least");
  expect(await inspect("least", ".State.ExitCode")).toBe("0");
  await start("next", "DOWN", ...options);
});

test("an image of your own builds from an unpacked release, and from a checkout", async () => {
  using directory = temporaryDirectory();
  const root = directory.path;
  const context = join(root, "deploy/container");
  const collect = ["sh", join(context, "collect.sh")];
  await output(["mkdir", join(root, "deploy"), join(root, "dist")]);
  await output(["cp", "-r", CONTAINER, `${ROOT}deploy/state.json`, join(root, "deploy")]);
  expect((await outcome(collect)).stderr).toContain("in a checkout, bun run build makes it");
  await output(["cp", `${ROOT}dist/hapgent`, join(root, "dist")]);
  await output(collect);
  await output(["mv", join(root, "dist/hapgent"), join(root, "hapgent")]);
  await output(collect);
  const buildah = startBuildah(root);
  await buildah("bud", "--quiet", "--isolation=chroot", "--tag=own", context);
  const container = await buildah("from", "own");
  const said = await buildah("run", "--isolation=chroot", container, "hapgent", "--version");
  expect(said).toStartWith(`hapgent ${version} (`);
  await buildah("rm", container);
});

test("the image says what it is, and when it was made", async () => {
  const log = ["git", "log", "-1", "--format=%ct %H"];
  const [time, commit] = (await output(log, { cwd: await baseTree() })).split(" ");
  // When the commit was: registries clean up by age.
  const created = JSON.parse(await inspect(IMAGE, "json .Created")) as string;
  expect(Date.parse(created)).toBe(Number(time) * 1000);
  expect(JSON.parse(await inspect(IMAGE, "json .Labels"))).toMatchObject({
    "org.opencontainers.image.version": version,
    "org.opencontainers.image.revision": commit,
    "org.opencontainers.image.licenses": licenseExpression(),
  });
});

test.each([
  ["amd64", "qemu-x86_64-static"],
  ["arm64", "qemu-aarch64-static"],
])(
  "that of %s says what it holds, by which terms, and holds all that its agent needs",
  async (architecture, emulator) => {
    using directory = temporaryDirectory();
    const buildah = startBuildah(directory.path);
    const container = await buildah("from", "--arch", architecture, `oci-archive:${archive}`);
    const root = await buildah("mount", container);
    const read = (path: string) => readFileSync(join(root, path), "utf8");
    for (const file of ["LICENSE", "THIRD_PARTY_NOTICES"]) {
      expect(read(`usr/share/doc/hapgent/${file}`)).toBe(readFileSync(ROOT + file, "utf8"));
    }
    expect(read("usr/share/doc/libc6/copyright")).toContain("GNU C Library");
    expect(read("usr/lib/os-release")).toContain("ID=debian\n");
    const said = new RegExp(
      `^Package: libc6\n[^]*\nArchitecture: ${architecture}\n[^]*\nVersion: 2\\.\\d+-(?!.*cross)`,
    );
    expect(read("var/lib/dpkg/status.d/libc6")).toMatch(said);

    await using agent = await startAgent({
      executable: join(root, "usr/bin/hapgent"),
      launcher: architecture === ARCHITECTURE ? [] : [emulator, "-L", root],
      state: { status: "READY", weight: 75 },
      // Untuned it would execute itself, which the kernel cannot.
    });
    expect(await agent.ask()).toBe("READY 75%\n");
    agent.signal("SIGUSR2");
    await until("the save", () => agent.file().includes('"DOWN"'));
    expect(await agent.stop()).toBe(0);
  },
);

test("the compose file's HAProxy follows its agents, and an agent in drain is healthy", async () => {
  const command = 'CMD ["haproxy","-f","/usr/local/etc/haproxy/haproxy.cfg"]';
  await machine.sh(`podman import --quiet --change '${command}' /srv/haproxy.tar \
      docker.io/library/haproxy:3.0
    cd /srv/compose && podman-compose up --detach`);
  const get = async () => (await machine.try("curl --silent http://127.0.0.1:8080/")).stdout.trim();
  const names = async () => {
    const all = new Set<string>();
    for (let request = 1; request <= 6; request += 1) all.add(await get());
    return [...all].toSorted().join(" ");
  };
  const execute = (...command: string[]) =>
    machine.run(["podman", "exec", "compose_agent-one_1", ...command]);
  const areBoth = async () => (await names()) === "one two";
  await until("both answer", areBoth, DEADLINE);
  await execute("hapgent", "ctl", "set", "status", "DRAIN", "deploying v42");
  expect(await execute("hapgent", "ctl", "wait", "30")).toStartWith("ok");
  expect(await names()).toBe("two");
  // podman-compose does not hand it on as it is.
  const [, check = ""] =
    /test: \[CMD, (.+)\]/.exec(await machine.read("/srv/compose/compose.yaml")) ?? [];
  expect(await execute(...check.split(", "))).toBe("up drain 100% #deploying v42");
  await execute("hapgent", "ctl", "set", "status", "READY");
  await until("both answer again", areBoth, DEADLINE);
});
