// What every installation does, by the installer or a package (of the Ansible role: ansible.test.ts):
// - it brings all that belongs to it, and root's commands know the agent without any setting;
// - it is upgraded without a failed check where systemd holds the address, and starts at boot;
// - what operators change, settings and states, stays;
// - removed, it leaves nothing running, and nothing but what operators may want to keep.
import { expect, test } from "bun:test";
import { until } from "../../scripts/lib/until.ts";
import { hasAllFiles, listAgents } from "./installed.ts";
import { bootMachine, type Machine, startPoller } from "./machine.ts";
import { buildDebs, buildRpms, runQuietly } from "./packages.ts";
import { bindRelease, INSTALL } from "./release.ts";
import { SETTINGS, STATE } from "./units.ts";

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

/** Another executable in the place of the installed one; an upgrade puts that back. */
const AGE =
  "cp /usr/local/bin/hapgent /tmp/old; echo >>/tmp/old; mv /tmp/old /usr/local/bin/hapgent";

const installer = (init: Way["init"]): Way => ({
  init,
  binds: bindRelease,
  async install(machine) {
    expect(await machine.run(INSTALL)).toContain("\ninstalled: hapgent ");
  },
  async upgrade(machine) {
    await machine.sh(AGE);
    expect(await machine.run(INSTALL)).toContain("\ninstalled: hapgent ");
    expect(await machine.run(INSTALL)).toContain("\nnothing to change: hapgent ");
  },
  remove: (machine) => machine.run("sh /srv/release/install.sh --uninstall"),
  settings: SETTINGS,
});

const debian = (init: Way["init"]): Way => ({
  init,
  async binds() {
    const { first, next } = await buildDebs();
    return { "/srv/first.deb": first, "/srv/next.deb": next };
  },
  install: (machine) => runQuietly(machine, "dpkg --install /srv/first.deb"),
  upgrade: (machine) => runQuietly(machine, "dpkg --install /srv/next.deb"),
  remove: (machine) => machine.run("dpkg --remove hapgent"),
  purge: (machine) => machine.run("dpkg --purge hapgent"),
  settings: SETTINGS,
});

// That Debian has a C library is nothing that rpm knows.
const RPM = "rpm --nodeps --force-debian";

const rpm: Way = {
  init: "systemd",
  async binds() {
    const { first, next } = await buildRpms();
    return { "/srv/first.rpm": first, "/srv/next.rpm": next };
  },
  // As Fedora and RHEL have it.
  setup: `mkdir -p /etc/systemd/system-preset; rpm --initdb
    echo 'disable *' >/etc/systemd/system-preset/99-default-disable.preset`,
  async install(machine) {
    await runQuietly(machine, `${RPM} --install /srv/first.rpm`);
    expect((await machine.try("systemctl is-active hapgent")).stdout).toBe("inactive\n");
    expect((await machine.try("systemctl is-enabled hapgent")).stdout).toBe("disabled\n");
    expect(await machine.run("rpm --verify --nodeps hapgent")).toBe("");
  },
  start: "systemctl enable --quiet --now hapgent",
  upgrade: (machine) => runQuietly(machine, `${RPM} --upgrade /srv/next.rpm`),
  remove: (machine) => runQuietly(machine, `${RPM} --erase hapgent`),
  settings: `${SETTINGS}.rpmsave`,
};

test.each<[string, Way]>([
  ["the installer under systemd", installer("systemd")],
  ["the installer under System V", installer("sysv")],
  ["the Debian package under systemd", debian("systemd")],
  ["the Debian package under System V", debian("sysv")],
  ["the RPM package", rpm],
])(
  "%s installs, upgrades, starts at boot and is removed",
  async (_, way) => {
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
    const poller = isSystemd ? startPoller(machine) : undefined;
    await way.upgrade(machine);
    if (poller) expect(await poller.stop()).toEqual(["ready down 100%"]);
    await machine.answers("ready down 100%");
    const now = await listAgents(machine);
    expect([now.length, ...now.filter((pid) => pids.includes(pid))]).toEqual([pids.length]);

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
  },
  300_000,
);

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
