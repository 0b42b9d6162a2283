// What every installation does, by the installer or a package (of the Ansible role: ansible.test.ts):
// - it brings all that belongs to it, and root's commands know the agent without any setting;
// - it is upgraded without a failed check where systemd holds the address, and starts at boot;
// - what operators change, settings and states, stays;
// - removed, it leaves nothing running, and nothing but what operators may want to keep.
// The installer also has a dry run that changes nothing, leaves the place to a package, makes good a run
// that was ended, and runs nothing as root that it downloads.
import { expect, test } from "bun:test";
import { join } from "node:path";
import { output } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { writeRelease } from "../system/release-fixture.ts";
import { hasAllFiles, listAgents, SETTINGS, STATE } from "./installed.ts";
import { bootMachine, type Machine, startPoller } from "./machine.ts";
import { buildDeb, buildRpm, runQuietly } from "./packages.ts";
import { baseRelease, INSTALL, releaseKey } from "./release.ts";

/** A way to install: what it does to a machine. */
interface Way {
  readonly init: "systemd" | "sysv";
  /** What the machine sees: sources by path. */
  readonly binds: () => Promise<Record<string, string>>;
  readonly setup?: string;
  readonly install: (machine: Machine) => Promise<unknown>;
  /** What somebody must do then. */
  readonly start?: string;
  readonly upgrade: (machine: Machine) => Promise<unknown>;
  readonly remove: (machine: Machine) => Promise<unknown>;
  readonly purge?: (machine: Machine) => Promise<unknown>;
  /** The settings' file once it is removed. */
  readonly settings: string;
}

const BINARY = "/usr/local/bin/hapgent";

/** Another executable in the place of the installed one: by a byte that means nothing. */
const OTHER = `cp ${BINARY} /tmp/old; printf x | dd of=/tmp/old bs=1 seek=15 conv=notrunc status=none
  mv /tmp/old ${BINARY}`;

/** A run that was ended between the replacement and the restart: the old one runs. */
const ENDED = `cp ${BINARY} /tmp/new; ${OTHER}; service hapgent restart; mv /tmp/new ${BINARY}`;

/** The release, one whose executable does not run, and what checks their signatures. */
async function bindReleases(): Promise<Record<string, string>> {
  const { path } = temporaryDirectory();
  const name = `hapgent-9.9.9-${process.arch === "arm64" ? "linux-arm64" : "linux-x64"}`;
  const archive = `${name}.tar.gz`;
  const text = "#!/bin/sh\nid -un >>/var/tmp/ran\necho no libraries >&2\nexit 127\n";
  await Bun.write(join(path, name, "hapgent"), text);
  const pack = `chmod +x ${name}/hapgent && tar -czf ${archive} ${name}`;
  await output(["sh", "-c", pack], { cwd: path });
  const broken = join(path, "release");
  const content = await Bun.file(join(path, archive)).bytes();
  await writeRelease(broken, { [archive]: content }, await releaseKey());
  const keygen = Bun.which("ssh-keygen") ?? "ssh-keygen";
  return { "/srv/release": await baseRelease(), "/srv/broken": broken, [keygen]: keygen };
}

const installer = (init: Way["init"]): Way => ({
  init,
  binds: bindReleases,
  // It uses a group that is there.
  setup: `${init === "sysv" ? "groupadd --system hapgent; " : ""}touch /usr/bin/hapgent`,
  async install(machine) {
    const { stderr, exitCode } = await machine.try(INSTALL);
    expect(stderr).toBe("install.sh: a package has installed /usr/bin/hapgent: use that one\n");
    expect(exitCode).toBe(1);
    await machine.run("rm /usr/bin/hapgent");
    const before = await machine.inventory();
    expect(await machine.run(`${INSTALL} --dry-run`)).toStartWith("signature checked\n");
    expect(await machine.inventory()).toEqual(before);
    const said = await machine.run(INSTALL);
    expect(said).toContain("\ninstalled: hapgent ");
    // The last two lines say what to do next; the first of them is a command.
    const [ask = ""] = said.split("\n").slice(-2);
    expect(await machine.run(ask.replace(/^.*: +/, ""))).toBe("ready up 100%");
  },
  async upgrade(machine) {
    for (const old of [OTHER, ENDED]) {
      await machine.sh(old);
      expect(await machine.run(INSTALL)).toContain("\ninstalled: hapgent ");
      const running = "readlink /proc/[0-9]*/exe | grep hapgent | sort -u";
      const isInstalled = async () => (await machine.sh(running)) === BINARY;
      await until("what is installed runs", isInstalled);
    }
    const broken = INSTALL.replace("file:///srv/release", "file:///srv/broken");
    expect(await machine.try(broken)).toMatchObject({
      stderr: "install.sh: the executable does not run on this machine: no libraries\n",
      exitCode: 1,
    });
    expect(await machine.read("/var/tmp/ran")).toBe("hapgent");
    expect(await machine.run(INSTALL)).toContain("\nnothing to change: hapgent ");
    expect(await machine.run("ls /usr/local/bin")).not.toContain(".new");
  },
  remove: (machine) => machine.run("sh /srv/release/install.sh --uninstall"),
  settings: SETTINGS,
});

const debian = (init: Way["init"]): Way => ({
  init,
  binds: async () => ({ "/srv/hapgent.deb": await buildDeb() }),
  install: (machine) => runQuietly(machine, "dpkg --install /srv/hapgent.deb"),
  // One of the same version is unpacked over it, as a later one is.
  upgrade: (machine) => runQuietly(machine, "dpkg --install /srv/hapgent.deb"),
  remove: (machine) => machine.run("dpkg --remove hapgent"),
  purge: (machine) => machine.run("dpkg --purge hapgent"),
  settings: SETTINGS,
});

// That Debian has a C library is nothing that rpm knows.
const RPM = "rpm --nodeps --force-debian";

const rpm: Way = {
  init: "systemd",
  binds: async () => ({ "/srv/hapgent.rpm": await buildRpm() }),
  // As Fedora and RHEL have it.
  setup: `mkdir -p /etc/systemd/system-preset; rpm --initdb
    echo 'disable *' >/etc/systemd/system-preset/99-default-disable.preset`,
  async install(machine) {
    await runQuietly(machine, `${RPM} --install /srv/hapgent.rpm`);
    expect((await machine.try("systemctl is-active hapgent")).stdout).toBe("inactive\n");
    expect((await machine.try("systemctl is-enabled hapgent")).stdout).toBe("disabled\n");
    expect(await machine.run("rpm --verify --nodeps hapgent")).toBe("");
  },
  start: "systemctl enable --quiet --now hapgent",
  upgrade: (machine) => runQuietly(machine, `${RPM} --upgrade --replacepkgs /srv/hapgent.rpm`),
  remove: (machine) => runQuietly(machine, `${RPM} --erase hapgent`),
  settings: `${SETTINGS}.rpmsave`,
};

test.concurrent.each<[string, Way]>([
  ["the installer under systemd", installer("systemd")],
  ["the installer under System V", installer("sysv")],
  ["the Debian package under systemd", debian("systemd")],
  ["the Debian package under System V", debian("sysv")],
  ["the RPM package", rpm],
])("%s installs, upgrades, starts at boot and is removed", async (_, way) => {
  const isSystemd = way.init === "systemd";
  await using machine = await bootMachine({ init: way.init, binds: await way.binds() });
  await machine.sh(way.setup ?? "true");
  const before = await machine.inventory();

  await way.install(machine);
  await machine.sh(way.start ?? "true");
  await knowsAgent(machine);
  await hasAllFiles(machine, way.init);

  if (isSystemd) await machine.sh(EXTRAS);
  await machine.sh(`echo "# mine" >>${SETTINGS}`);
  await machine.run("hapgent ctl set status DOWN");
  const pids = await listAgents(machine);
  expect(pids).toHaveLength(isSystemd ? 2 : 1);
  const poller = isSystemd ? startPoller(machine) : undefined;
  await way.upgrade(machine);
  if (poller) expect(await poller.stop()).toEqual(["ready down 100%"]);
  await machine.answers("ready down 100%");
  await until("other processes run", async () => {
    const now = await listAgents(machine);
    return now.length === pids.length && !now.some((pid) => pids.includes(pid));
  });

  await machine.switchOff();
  await machine.boot();
  await machine.answers("ready down 100%");

  await way.remove(machine);
  await until("nothing runs", async () => (await listAgents(machine)).length === 0);
  const active = "systemctl list-units --no-legend --state=active hapgent*";
  if (isSystemd) expect(await machine.run(active)).toBe("");
  expect(await machine.read(STATE)).toContain('"DOWN"');
  expect(await machine.read(way.settings)).toEndWith("# mine");
  if (way.purge) {
    await way.purge(machine);
    await machine.sh("rm -rf /etc/hapgent /var/lib/hapgent; systemctl daemon-reload || true");
    expect(await machine.inventory()).toEqual(before);
  } else {
    const left = (await machine.inventory("! -type d")).filter((path) => !before.includes(path));
    const kept = [STATE, way.settings, ...OPERATORS];
    expect(left.filter((path) => path.startsWith("/") && !kept.includes(path))).toEqual([]);
  }
});

/** What an operator adds under systemd: the address, an instance, and a state that follows a command. */
const EXTRAS = `mkdir -p /etc/hapgent/follow
  echo HAPGENT_PORT=9801 >/etc/hapgent/web.env
  echo hapgent-follow true >/etc/hapgent/follow/web
  systemctl stop hapgent
  systemctl enable --quiet --now hapgent.socket
  systemctl start hapgent hapgent@web
  systemctl enable --quiet --now hapgent-follow@web.timer`;

/** What stays of that. */
const OPERATORS = [
  "/etc/hapgent/web.env",
  "/etc/hapgent/follow/web",
  "/var/lib/hapgent/web/state.json",
];

/** Expects root's commands to know the agent, and its files to be its user's. */
async function knowsAgent(machine: Machine): Promise<void> {
  expect(await machine.run("hapgent status")).toBe("ready up 100%");
  expect(await machine.run("hapgent check")).toStartWith("ready up 100%");
  expect(await machine.run("hapgent ctl show state")).toContain('"UP"');
  expect(await machine.run("getent passwd hapgent")).toMatch(/:\/var\/lib\/hapgent:.*nologin$/);
  for (const path of [STATE, "/var/lib/hapgent", "/var/lib/hapgent/services"]) {
    expect(await machine.run(`stat --format=%U:%G ${path}`)).toBe("hapgent:hapgent");
  }
}
