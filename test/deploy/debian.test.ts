// The package is clean by lintian and piuparts; over install, upgrade, remove and purge it
// starts the agent, keeps its state, and leaves nothing behind.
import { beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { author, version } from "../../package.json";
import { outcome, output, ROOT } from "../../scripts/lib/shell.ts";
import { until } from "../../scripts/lib/until.ts";
import { packageVersion } from "../../scripts/lib/version.ts";
import { baseRoot, bootMachine, type Machine, startPoller } from "./machine.ts";
import { unpackPackages } from "./unpack.ts";

const NEXT = `${packageVersion()}+next`;
const STATE = "/var/lib/hapgent/state.json";
let architecture: string;
let packageFile: string;
let nextFile: string;

beforeAll(async () => {
  // A release compresses for a minute; what is in it is the same.
  const env = { DPKG_DEB_COMPRESSOR_LEVEL: "1" };
  await output(["bun", "scripts/deb.ts"], { cwd: ROOT, env, limit: 600 });
  architecture = await output(["dpkg", "--print-architecture"]);
  packageFile = `${ROOT}dist/hapgent_${packageVersion()}_${architecture}.deb`;
  nextFile = await makeNextVersion();
});

/** The same package as a later version, not compressed because nobody keeps it. */
async function makeNextVersion(): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "next-"));
  await output(["dpkg-deb", "--raw-extract", packageFile, join(directory, "root")]);
  const control = join(directory, "root/DEBIAN/control");
  const text = readFileSync(control, "utf8");
  writeFileSync(control, text.replace(`Version: ${packageVersion()}`, `Version: ${NEXT}`));
  const file = join(directory, "next.deb");
  await output([
    "dpkg-deb",
    "--root-owner-group",
    "-Znone",
    "--build",
    join(directory, "root"),
    file,
  ]);
  return file;
}

async function bootWithPackages(init: "systemd" | "sysv"): Promise<Machine> {
  const binds = { "/srv/first.deb": packageFile, "/srv/next.deb": nextFile };
  return await bootMachine({ init, binds });
}

/** Installs a package; dpkg and its scripts have nothing to complain of. */
async function install(machine: Machine, file: string): Promise<void> {
  const { stdout, stderr, exitCode } = await machine.try(`dpkg --install ${file}`);
  // What systemd says of what it makes is no complaint.
  const usual = /^(Created symlink .*|Creating (user|group) 'hapgent' .*)\n/gm;
  const said = stderr.replaceAll(usual, "");
  expect({ said, exitCode }).toEqual({ said: "", exitCode: 0 });
  expect(stdout).not.toMatch(/warning|invalid|glob|fail/i);
}

async function mainPid(machine: Machine): Promise<string> {
  return await machine.property("hapgent", "MainPID");
}

const LINTIAN = ["lintian", "--allow-root", "--display-info", "--fail-on=error,warning,info"];
const CLEAN = { stdout: "", stderr: "", exitCode: 0 };

test("lintian finds nothing that is not explained", async () => {
  expect(await outcome([...LINTIAN, packageFile], { limit: 120 })).toEqual(CLEAN);
});

test.concurrent.each(["trixie", "forky"])(
  "neither does the lintian of %s",
  async (suite) => {
    const root = await unpackPackages(suite, "lintian", "?essential");
    // The mounts are this command's alone.
    const script = `mkdir -p "$0/srv" && mount -t tmpfs tmpfs "$0/srv" &&
      mount -t tmpfs tmpfs "$0/tmp" && ln -sf debian "$0/etc/dpkg/origins/default" &&
      cp "$1" "$0/srv/" && shift && exec chroot "$0" "$@"`;
    const file = `/srv/${basename(packageFile)}`;
    const command = ["unshare", "--mount", "sh", "-ec", script, root, packageFile];
    expect(await outcome([...command, ...LINTIAN, file], { limit: 300 })).toEqual(CLEAN);
  },
  900_000,
);

test("the executable in the package is the one that was built", async () => {
  const directory = mkdtempSync(join(tmpdir(), "deb-"));
  await output(["dpkg-deb", "--extract", packageFile, directory]);
  const target = architecture === "arm64" ? "linux-arm64" : "linux-x64";
  const built = `${ROOT}dist/hapgent-${version}-${target}`;
  await output(["cmp", built, join(directory, "usr/bin/hapgent")]);
  await output(["rm", "-r", directory]);
});

test.each([
  ["1.0.0-rc.1", "lt", "1.0.0"],
  ["1.0.0-rc.1", "lt", "1.0.0-rc.2"],
  ["1.0.0-rc.1", "gt", "0.9.9"],
])("of dpkg's mind %s is %s %s", async (one, relation, other) => {
  const versions = [packageVersion(one), relation, packageVersion(other)];
  await output(["dpkg", "--compare-versions", ...versions]);
});

test("its maintainer is the author of the project", async () => {
  expect(await output(["dpkg-deb", "--field", packageFile, "Maintainer"])).toBe(author);
});

test("it has what the installer and the role install, and the samples", async () => {
  const list = 'dpkg-deb --fsys-tarfile "$0" | tar -t';
  const listed = await output(["sh", "-c", list, packageFile]);
  const files = listed.split("\n").filter((path) => !path.endsWith("/"));
  const samples = "./usr/share/doc/hapgent/examples/";
  expect(files.filter((path) => !path.startsWith("./usr/share/doc/")).toSorted()).toEqual([
    "./etc/default/hapgent",
    "./etc/init.d/hapgent",
    "./etc/logrotate.d/hapgent",
    "./usr/bin/hapgent",
    "./usr/bin/hapgent-deploy",
    "./usr/bin/hapgent-follow",
    "./usr/lib/systemd/system/hapgent-follow@.service",
    "./usr/lib/systemd/system/hapgent-follow@.timer",
    "./usr/lib/systemd/system/hapgent.service",
    "./usr/lib/systemd/system/hapgent.socket",
    "./usr/lib/systemd/system/hapgent@.service",
    "./usr/lib/systemd/system/hapgent@.socket",
    "./usr/lib/sysusers.d/hapgent.conf",
    "./usr/lib/tmpfiles.d/hapgent.conf",
    "./usr/share/bash-completion/completions/hapgent",
    "./usr/share/fish/vendor_completions.d/hapgent.fish",
    "./usr/share/hapgent/state.json",
    "./usr/share/lintian/overrides/hapgent",
    "./usr/share/man/man8/hapgent-deploy.8.gz",
    "./usr/share/man/man8/hapgent-follow.8.gz",
    "./usr/share/man/man8/hapgent.8.gz",
    "./usr/share/zsh/vendor-completions/_hapgent",
  ]);
  for (const sample of ["haproxy/haproxy.cfg", "monitoring/alerts.yml", "nftables/hapgent.nft"]) {
    expect(files).toContain(samples + sample);
  }
});

test("it is installed, upgraded, removed and purged under systemd", async () => {
  await using machine = await bootWithPackages("systemd");
  const before = await machine.inventory();

  await install(machine, "/srv/first.deb");
  expect(await machine.run("systemctl is-active hapgent")).toBe("active");
  expect(await machine.run("systemctl is-enabled hapgent")).toBe("enabled");
  expect(await machine.ask()).toBe("ready up 100%");
  for (const path of [STATE, "/var/lib/hapgent/services"])
    expect(await machine.run(`stat --format=%U:%G ${path}`)).toBe("hapgent:hapgent");
  expect((await machine.try("dpkg --verify hapgent")).stdout).toBe("");
  // Root's commands find the agent without any setting.
  expect(await machine.run("hapgent status")).toBe("ready up 100%");
  expect(await machine.run("hapgent ctl show state")).toContain('"UP"');
  expect(await machine.run("hapgent check")).toStartWith("ready up 100%");
  expect(await machine.run("hapgent-follow --rise 1 echo up 90%")).toContain("ok saved");
  await machine.write("/etc/hapgent/follow/web", "hapgent-follow echo up 30%\n");
  await machine.run("systemctl enable --now hapgent-follow@web.timer");
  await machine.write("/etc/hapgent/web.env", "HAPGENT_PORT=9801\n");
  await machine.run("systemctl enable --now hapgent@web");
  expect(await machine.ask(9801)).toBe("UP");
  const instance = await machine.property("hapgent@web", "MainPID");

  // What an operator changes survives an upgrade, during which every check is answered.
  await machine.write("/etc/default/hapgent", "HAPGENT_SOCKET=/run/hapgent/hapgent.sock\n");
  await machine.write(STATE, '{"status": "READY", "weight": 30}');
  await machine.run("systemctl stop hapgent");
  await machine.run("systemctl enable --now hapgent.socket");
  await machine.run("systemctl start hapgent");
  const first = await mainPid(machine);
  await using poller = await startPoller(machine);
  await install(machine, "/srv/next.deb");
  const replies = await poller.stop();
  expect(Object.keys(replies)).toEqual(["READY 30%\n"]);
  expect(await mainPid(machine)).not.toBe(first);
  expect(await machine.property("hapgent@web", "MainPID")).not.toBe(instance);
  expect(await machine.ask(9801)).toBe("UP");
  expect(await machine.run(["dpkg-query", "--show", "hapgent"])).toBe(`hapgent\t${NEXT}`);
  expect(await machine.read("/etc/default/hapgent")).toContain("HAPGENT_SOCKET");

  await machine.run("dpkg --remove hapgent");
  expect((await machine.try("pgrep -x hapgent")).stdout).toBe("");
  expect(await machine.ask()).toBe("");
  expect(await machine.read(STATE)).toContain("READY");
  await machine.write("/usr/local/bin/hapgent", "");
  const again = await machine.try("dpkg --install /srv/first.deb");
  expect(again.stderr).toStartWith(
    "hapgent: warning: /usr/local/bin/hapgent is there, from install",
  );
  expect(again.exitCode).toBe(0);
  await machine.run("rm /usr/local/bin/hapgent");
  await machine.answers("READY 30%");

  await machine.run("dpkg --purge hapgent");
  await machine.run("systemctl daemon-reload");
  expect(await machine.inventory()).toEqual(before);
});

test("it is installed, upgraded, removed and purged under System V", async () => {
  await using machine = await bootWithPackages("sysv");
  const before = await machine.inventory();
  await install(machine, "/srv/first.deb");
  expect(await machine.ask()).toBe("ready up 100%");
  await machine.run("pkill -USR2 -x hapgent");
  await until("the save", async () => (await machine.read(STATE)).includes('"DOWN"'));
  await install(machine, "/srv/next.deb");
  expect(await machine.ask()).toBe("ready down 100%");
  expect(await machine.run("pgrep -c -x hapgent")).toBe("1");

  await machine.switchOff();
  await machine.boot();
  await machine.answers("ready down 100%");

  await machine.run("dpkg --remove hapgent");
  expect((await machine.try("pgrep -x hapgent")).stdout).toBe("");
  await machine.run("dpkg --purge hapgent");
  expect(await machine.inventory()).toEqual(before);
});

test("a state file that was removed does not come back with an upgrade", async () => {
  await using machine = await bootWithPackages("systemd");
  await install(machine, "/srv/first.deb");
  await machine.run(`rm ${STATE}`);
  await install(machine, "/srv/next.deb");
  await machine.answers("ready fail 100%");
  expect((await machine.try(`test -e ${STATE}`)).exitCode).toBe(1);
});

test("piuparts finds nothing left, broken or changed", async () => {
  const chroot = `--existing-chroot=${await baseRoot()}`;
  const options = ["--distribution=bookworm", "--no-eatmydata", "--skip-minimize"];
  const command = ["piuparts", ...options, chroot, "--warn-on-others", packageFile];
  const { stdout, stderr, exitCode } = await outcome(command, { limit: 600 });
  expect({ tail: exitCode === 0 ? "" : stdout.slice(-4000) + stderr, exitCode }).toEqual({
    tail: "",
    exitCode: 0,
  });
  expect(stdout).toContain("PASS: All tests.");
});
