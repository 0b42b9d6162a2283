// The installer does on a booted machine what its dry run says: installs, changes nothing the
// second time, upgrades with the state kept, and removes all that it put there. What it downloads
// never runs as root, and never in the place of what works.
import { beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { version } from "../../package.json";
import { output } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { writeRelease } from "../system/release-fixture.ts";
import { bootMachine, type Machine } from "./machine.ts";
import { baseRelease, releaseKey } from "./release.ts";

const STATE = "/var/lib/hapgent/state.json";
const SETTINGS = "/etc/default/hapgent";
const BINARY = "/usr/local/bin/hapgent";
const UNITS = "/usr/local/lib/systemd/system";
const TARGET = process.arch === "arm64" ? "linux-arm64" : "linux-x64";
// The machines have no ssh-keygen, unless a test gives them one.
const INSTALL = "sh /srv/release/install.sh --from file:///srv/release --insecure";

let release: string;

beforeAll(async () => {
  release = await baseRelease();
});

/** Boots a machine that sees the release, and maybe more files of ours: sources by path. */
async function boot(init: "systemd" | "sysv", more: Record<string, string> = {}): Promise<Machine> {
  const files = [
    "install.sh",
    "SHA256SUMS",
    "SHA256SUMS.sig",
    `hapgent-${version}-${TARGET}.tar.gz`,
  ];
  const binds = Object.fromEntries(
    files.map((name) => [`/srv/release/${name}`, join(release, name)]),
  );
  return await bootMachine({ init, binds: { ...binds, ...more } });
}

/** What is installed: names, sizes, modes and times of change. */
async function listInstalled(machine: Machine): Promise<string> {
  const find = "find /usr/local /etc /var/lib/hapgent -xdev -type f -printf";
  return await machine.run([...find.split(" "), "%p %s %m %u %C@\\n"]);
}

async function pid(machine: Machine): Promise<string> {
  return (await machine.try("pgrep -x hapgent")).stdout.trim();
}

/** Installs, again, over an older executable, and uninstalls; the state outlives all of it. */
async function playLife(machine: Machine): Promise<void> {
  const before = await machine.inventory();
  const dry = await machine.run(`${INSTALL} --dry-run`);
  expect(dry).toContain(`would: mv -f ${BINARY}.new ${BINARY}`);
  expect(await machine.inventory()).toEqual(before);

  // Neither a temporary directory that nothing runs from nor variables of the runtime matter.
  await machine.run("mount -t tmpfs -o noexec tmpfs /mnt");
  const env = { TMPDIR: "/mnt", BUN_BE_BUN: "1", BUN_OPTIONS: "--preload /nothing.js" };
  const first = await machine.run(INSTALL, { env });
  await machine.run("umount /mnt");
  expect(first).toContain("checksum checked\n");
  expect(first).toContain(`installed: hapgent ${version} (`);
  expect(await machine.ask()).toBe("ready up 100%");
  // The last two lines say what to do next; the first of them is a command.
  const [ask = "", samples = ""] = first.split("\n").slice(-2);
  expect(await machine.run(ask.replace(/^.*: +/, ""))).toBe("ready up 100%");
  expect(samples).toEndWith("(samples: /usr/local/share/doc/hapgent/haproxy)");
  for (const path of INSTALLED) await machine.run(["test", "-s", path]);
  expect(await machine.run(`stat --format=%U:%G:%a ${STATE}`)).toBe("hapgent:hapgent:644");

  await machine.run(["sh", "-c", `echo "# mine" >>${SETTINGS}`]);
  // What was there before the second time is what is there after it, to the time of change.
  await machine.run("pkill -USR2 -x hapgent");
  await machine.answers("ready down 100%");
  // The answer comes before the save.
  await until("saved", async () => (await machine.read(STATE)).includes("DOWN"));
  const [files, running] = [await listInstalled(machine), await pid(machine)];
  expect(await machine.run(INSTALL)).toContain(`nothing to change: hapgent ${version} (`);
  expect(await listInstalled(machine)).toBe(files);
  expect(await pid(machine)).toBe(running);
  expect(await machine.ask()).toBe("ready down 100%");

  // Another executable is replaced, and what ran it is restarted, with the state that it saved.
  await machine.run([
    "sh",
    "-c",
    `cp ${BINARY} /tmp/old && echo >>/tmp/old && mv /tmp/old ${BINARY}`,
  ]);
  expect(await machine.run(INSTALL)).toContain("installed: ");
  await machine.answers("ready down 100%");
  expect(await pid(machine)).not.toBe(running);
  expect(await pid(machine)).toMatch(/^\d+$/);

  // A run that was ended between the replacement and the restart left the old one running.
  const shell = async (script: string) => await machine.run(["sh", "-ec", script, BINARY]);
  // One byte of the ELF header that means nothing makes it another executable.
  const spoil = "printf x | dd of=/tmp/old bs=1 seek=15 conv=notrunc status=none";
  await shell(`cp "$0" /tmp/new; cp "$0" /tmp/old; ${spoil}; mv /tmp/old "$0"; ${RESTART}`);
  await shell('mv /tmp/new "$0"');
  const stale = await pid(machine);
  expect(await machine.run(INSTALL)).toContain("installed: ");
  await machine.answers("ready down 100%");
  expect(await pid(machine)).not.toBe(stale);
  expect(await machine.run(INSTALL)).toContain("nothing to change: ");

  // An operator's state that is no state is theirs as well.
  await machine.write(STATE, "broken");
  await machine.run(INSTALL);
  expect(await machine.read(STATE)).toBe("broken");

  expect(await machine.run(`${INSTALL} --uninstall --dry-run`)).toContain(`would: rm ${BINARY}\n`);
  expect(await pid(machine)).not.toBe("");
  const said = await machine.run("sh /srv/release/install.sh --uninstall");
  expect(said).toContain(`removed; what stays:\n  /var/lib/hapgent\n  ${SETTINGS}\n`);
  expect(await pid(machine)).toBe("");
  expect(await machine.read(SETTINGS)).toEndWith("# mine");
  expect(await machine.read(STATE)).toBe("broken");
  expect(await machine.run("sh /srv/release/install.sh --uninstall")).toContain(
    "nothing to remove",
  );
  const left = (await machine.inventory()).filter((path) => !before.includes(path));
  expect(left.filter((path) => path.startsWith("/") && !isDirectory(path))).toEqual([
    SETTINGS,
    STATE,
  ]);
}

/** Restarts the agent, under either init. */
const RESTART =
  "if [ -d /run/systemd/system ]; then systemctl restart hapgent; else service hapgent restart; fi";

/** What is installed under either init. */
const INSTALLED = [
  ...[BINARY, `${BINARY}-deploy`, `${BINARY}-follow`, SETTINGS, STATE],
  ...[
    "man/man8/hapgent.8",
    "bash-completion/completions/hapgent",
    "doc/hapgent/THIRD_PARTY_NOTICES",
    "doc/hapgent/haproxy/haproxy.cfg",
    "doc/hapgent/follow/load",
    "doc/hapgent/monitoring/alerts.yml",
  ].map((path) => `/usr/local/share/${path}`),
];

/** Directories that an installation makes and leaves, empty or not. */
function isDirectory(path: string): boolean {
  return (
    [
      "/var/lib/hapgent",
      "/var/lib/hapgent/services",
      "/etc/hapgent",
      "/etc/hapgent/follow",
      "/etc/default",
    ].includes(path) ||
    /^\/usr\/local\/(lib|share)\/([a-z0-9/-]+|fish\/vendor_completions\.d)$/.test(path)
  );
}

test("under systemd: dry run, install, again, upgrade, uninstall; verified", async () => {
  const command = Bun.which("ssh-keygen") ?? "ssh-keygen";
  await using machine = await boot("systemd", { [command]: command });
  expect(await machine.run(`${INSTALL} --dry-run`)).toStartWith("signature checked\n");
  await playLife(machine);
}, 120_000);

test("under systemd it is enabled, and hardened as the unit says", async () => {
  await using machine = await boot("systemd");
  await machine.run(INSTALL);
  expect(await machine.run("systemctl is-enabled hapgent")).toBe("enabled");
  expect(await machine.property("hapgent", "FragmentPath")).toBe(`${UNITS}/hapgent.service`);
  expect(await machine.run(`ls ${UNITS}`)).toContain("hapgent-follow@.timer\nhapgent.service\n");
  expect(await machine.read(`/proc/${await pid(machine)}/status`)).toMatch(/^NoNewPrivs:\t1$/m);
});

test("under systemd an uninstall ends and disables instances and the timer, too", async () => {
  await using machine = await boot("systemd");
  await machine.run(INSTALL);
  await machine.write("/etc/hapgent/web.env", "HAPGENT_PORT=9801\n");
  await machine.write("/etc/hapgent/follow/web", "hapgent-follow true\n");
  await machine.run("mkdir -p /var/lib/hapgent/web");
  await machine.write("/var/lib/hapgent/web/state.json", '{"status": "UP"}');
  await machine.run("systemctl enable --quiet --now hapgent@web.service hapgent-follow@web.timer");
  await machine.answers("UP", 9801);
  await machine.run("sh /srv/release/install.sh --uninstall");
  expect(await pid(machine)).toBe("");
  expect(await machine.run("find /etc/systemd /usr/local -name hapgent*")).toBe("");
  expect(await machine.run("systemctl list-units --all --plain --no-legend hapgent*")).toBe("");
});

test("under System V: the same, and it starts at boot", async () => {
  await using machine = await boot("sysv");
  await playLife(machine);
  await machine.run(`rm ${STATE}`);
  await machine.write(STATE, '{"status": "DRAIN"}');
  await machine.run(INSTALL);
  await machine.switchOff();
  await machine.boot();
  await machine.answers("up drain 100%");
}, 120_000);

test("what does not run takes no place, and what was downloaded never runs as root", async () => {
  using directory = temporaryDirectory();
  const name = `hapgent-9.9.9-${TARGET}`;
  const text = "#!/bin/sh\nid -un >>/var/tmp/ran\necho no libraries >&2\nexit 127\n";
  await Bun.write(join(directory.path, name, "hapgent"), text);
  await output(["sh", "-c", `chmod +x ${name}/hapgent && tar -czf ${name}.tar.gz ${name}`], {
    cwd: directory.path,
  });
  const archive = `${name}.tar.gz`;
  const content = await Bun.file(join(directory.path, archive)).bytes();
  const broken = join(directory.path, "release");
  await writeRelease(broken, { [archive]: content }, await releaseKey());
  await using machine = await boot("systemd", {
    "/srv/broken/SHA256SUMS": join(broken, "SHA256SUMS"),
    [`/srv/broken/${archive}`]: join(broken, archive),
  });
  await machine.run(INSTALL);
  const before = [await machine.run(`sha256sum ${BINARY}`), await pid(machine)];
  const upgrade = INSTALL.replace("file:///srv/release", "file:///srv/broken");
  const { stderr, exitCode } = await machine.try(upgrade);
  expect(stderr).toBe("install.sh: the executable does not run on this machine: no libraries\n");
  expect(exitCode).toBe(1);
  expect(await machine.read("/var/tmp/ran")).toBe("hapgent");
  expect([await machine.run(`sha256sum ${BINARY}`), await pid(machine)]).toEqual(before);
  expect(await machine.run("ls /usr/local/bin")).not.toContain(".new");
}, 120_000);

test("it uses a group hapgent that is there", async () => {
  await using machine = await boot("sysv");
  await machine.run("groupadd --system hapgent");
  await machine.run(INSTALL);
  expect(await machine.ask()).toBe("ready up 100%");
  expect(await machine.run("id --name --groups hapgent")).toBe("hapgent");
});

test("it leaves a machine alone that has the package", async () => {
  await using machine = await boot("sysv");
  await machine.write("/usr/bin/hapgent", "");
  const before = await machine.inventory();
  const { stderr, exitCode } = await machine.try(INSTALL);
  expect(stderr).toBe("install.sh: a package has installed /usr/bin/hapgent: use that one\n");
  expect(exitCode).toBe(1);
  expect(await machine.inventory()).toEqual(before);
});
