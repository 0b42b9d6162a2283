// The packages are clean by the linters of their distributions, of this release and of newer ones. What
// they do to a machine is installations.test.ts.
import { beforeAll, expect, test } from "bun:test";
import { basename } from "node:path";
import { outcome, ROOT } from "../../scripts/lib/shell.ts";
import { baseRoot, bootMachine } from "./machine.ts";
import { buildDebs, buildRpms, type Packages, runQuietly } from "./packages.ts";
import { unpackPackages } from "./unpack.ts";

let debs: Packages;
let rpms: Packages;

beforeAll(async () => {
  debs = await buildDebs();
  rpms = await buildRpms();
});

const LINTIAN = ["lintian", "--allow-root", "--display-info", "--fail-on=error,warning,info"];
const CLEAN = { stdout: "", stderr: "", exitCode: 0 };

test("lintian finds nothing that is not explained", async () => {
  expect(await outcome([...LINTIAN, debs.first], { limit: 120 })).toEqual(CLEAN);
});

test.concurrent.each(["trixie", "forky"])(
  "neither does the lintian of %s",
  async (suite) => {
    const root = await unpackPackages(suite, "lintian", "?essential");
    // The mounts are this command's alone.
    const script = `mkdir -p "$0/srv" && mount -t tmpfs tmpfs "$0/srv" &&
      mount -t tmpfs tmpfs "$0/tmp" && ln -sf debian "$0/etc/dpkg/origins/default" &&
      cp "$1" "$0/srv/" && shift && exec chroot "$0" "$@"`;
    const file = `/srv/${basename(debs.first)}`;
    const command = ["unshare", "--mount", "sh", "-ec", script, root, debs.first];
    expect(await outcome([...command, ...LINTIAN, file], { limit: 300 })).toEqual(CLEAN);
  },
  900_000,
);

test("rpmlint finds nothing that is not explained", async () => {
  const config = `${ROOT}deploy/rpm/rpmlint.toml`;
  const { stdout, exitCode } = await outcome(["rpmlint", "--config", config, rpms.first]);
  expect(stdout).toContain("1 packages and 0 specfiles checked; 0 errors, 0 warnings");
  expect(exitCode).toBe(0);
});

test("piuparts finds nothing left, broken or changed", async () => {
  const chroot = `--existing-chroot=${await baseRoot()}`;
  const options = ["--distribution=bookworm", "--no-eatmydata", "--skip-minimize"];
  const command = ["piuparts", ...options, chroot, "--warn-on-others", debs.first];
  const { stdout, stderr, exitCode } = await outcome(command, { limit: 600 });
  expect({ tail: exitCode === 0 ? "" : stdout.slice(-4000) + stderr, exitCode }).toEqual({
    tail: "",
    exitCode: 0,
  });
});

test("the Debian package warns of install.sh's, and brings back no state that was removed", async () => {
  const binds = { "/srv/first.deb": debs.first, "/srv/next.deb": debs.next };
  await using machine = await bootMachine({ binds });
  await machine.write("/usr/local/bin/hapgent", "");
  const { stderr, exitCode } = await machine.try("dpkg --install /srv/first.deb");
  expect(stderr).toContain("hapgent: warning: /usr/local/bin/hapgent is there, from install");
  expect(exitCode).toBe(0);
  // Purged, it leaves what that one uses.
  await machine.run("dpkg --purge hapgent");
  await machine.run("test -e /var/lib/hapgent/state.json");
  await machine.run("id hapgent");
  await machine.run("dpkg --install /srv/first.deb");
  await machine.run("rm /usr/local/bin/hapgent /var/lib/hapgent/state.json");
  await runQuietly(machine, "dpkg --install /srv/next.deb");
  await machine.answers("ready fail 100%");
  expect((await machine.try("test -e /var/lib/hapgent/state.json")).exitCode).toBe(1);
});
