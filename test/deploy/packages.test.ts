// The packages are clean by the linters of their distributions, of this release and of the newest. What
// they do to a machine is installations.test.ts.
import { beforeAll, expect, test } from "bun:test";
import { basename, dirname } from "node:path";
import { outcome, ROOT } from "../../scripts/lib/shell.ts";
import { bootMachine } from "./machine.ts";
import { buildDeb, buildRpm, runQuietly } from "./packages.ts";
import { runUnpacked, unpackPackages } from "./unpack.ts";

beforeAll(buildDeb);

const CLEAN = { stdout: "", stderr: "", exitCode: 0 };

test.concurrent.each(["bookworm", "forky"])(
  "the lintian of %s finds nothing that is not explained",
  async (suite) => {
    const root = await unpackPackages(suite, "lintian", "?essential");
    const deb = await buildDeb();
    const options = ["--allow-root", "--display-info", "--fail-on=error,warning,info"];
    const lintian = ["lintian", ...options, `/srv/${basename(deb)}`];
    expect(await runUnpacked(root, dirname(deb), lintian)).toEqual(CLEAN);
  },
);

test("rpmlint finds nothing that is not explained", async () => {
  const config = `${ROOT}deploy/rpm/rpmlint.toml`;
  const { stdout, exitCode } = await outcome(["rpmlint", "--config", config, await buildRpm()]);
  expect(stdout).toContain("1 packages and 0 specfiles checked; 0 errors, 0 warnings");
  expect(exitCode).toBe(0);
});

test("the Debian package warns of install.sh's, and brings back no state that was removed", async () => {
  await using machine = await bootMachine({ binds: { "/srv/hapgent.deb": await buildDeb() } });
  await machine.write("/usr/local/bin/hapgent", "");
  const { stderr, exitCode } = await machine.try("dpkg --install /srv/hapgent.deb");
  expect(stderr).toContain("hapgent: warning: /usr/local/bin/hapgent is there, from install");
  expect(exitCode).toBe(0);
  // Purged, it leaves what that one uses.
  await machine.run("dpkg --purge hapgent");
  await machine.run("test -e /var/lib/hapgent/state.json");
  await machine.run("id hapgent");
  await machine.run("dpkg --install /srv/hapgent.deb");
  await machine.run("rm /usr/local/bin/hapgent /var/lib/hapgent/state.json");
  await runQuietly(machine, "dpkg --install /srv/hapgent.deb");
  await machine.answers("ready fail 100%");
  expect((await machine.try("test -e /var/lib/hapgent/state.json")).exitCode).toBe(1);
});
