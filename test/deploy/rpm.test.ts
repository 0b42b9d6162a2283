// The RPM package is clean by rpmlint; it starts nothing that was not asked for, keeps state and
// settings over an upgrade, and leaves nothing running behind.
import { beforeAll, expect, test } from "bun:test";
import { author } from "../../package.json";
import { outcome, output, ROOT } from "../../scripts/lib/shell.ts";
import { until } from "../../scripts/lib/until.ts";
import { packageVersion } from "../../scripts/lib/version.ts";
import { bootMachine } from "./machine.ts";

const STATE = "/var/lib/hapgent/state.json";
const ARCHITECTURE = process.arch === "arm64" ? "aarch64" : "x86_64";

/** The package, and a later one. */
let first: string;
let next: string;

beforeAll(async () => {
  const file = (release: number) =>
    `${ROOT}dist/hapgent-${packageVersion()}-${release}.${ARCHITECTURE}.rpm`;
  [first, next] = [file(1), file(2)];
  const build = ["bun", "scripts/rpm.ts", "--fast"];
  await output(build, { cwd: ROOT, limit: 300 });
  await output([...build, "--built", "--release", "2"], { cwd: ROOT, limit: 300 });
});

test("rpmlint finds nothing that is not explained", async () => {
  const config = `${ROOT}deploy/rpm/rpmlint.toml`;
  const { stdout, exitCode } = await outcome(["rpmlint", "--config", config, first], { limit: 60 });
  expect(stdout).toContain("1 packages and 0 specfiles checked; 0 errors, 0 warnings");
  expect(exitCode).toBe(0);
});

test("it has what the Debian package has, and says who made it", async () => {
  const listed = await output(["rpm", "--query", "--list", "--package", first]);
  const files = listed.split("\n").filter((path) => !path.startsWith("/usr/share/doc/"));
  expect(files.filter((path) => /\/[^/]*hapgent[^/]*$/.test(path)).toSorted()).toEqual([
    "/etc/default/hapgent",
    "/etc/hapgent",
    "/usr/bin/hapgent",
    "/usr/bin/hapgent-deploy",
    "/usr/bin/hapgent-follow",
    "/usr/lib/systemd/system/hapgent-follow@.service",
    "/usr/lib/systemd/system/hapgent-follow@.timer",
    "/usr/lib/systemd/system/hapgent.service",
    "/usr/lib/systemd/system/hapgent.socket",
    "/usr/lib/systemd/system/hapgent@.service",
    "/usr/lib/systemd/system/hapgent@.socket",
    "/usr/lib/sysusers.d/hapgent.conf",
    "/usr/lib/tmpfiles.d/hapgent.conf",
    "/usr/share/bash-completion/completions/hapgent",
    "/usr/share/fish/vendor_completions.d/hapgent.fish",
    "/usr/share/hapgent",
    "/usr/share/licenses/hapgent",
    "/usr/share/man/man8/hapgent-deploy.8.gz",
    "/usr/share/man/man8/hapgent-follow.8.gz",
    "/usr/share/man/man8/hapgent.8.gz",
    "/usr/share/zsh/site-functions/_hapgent",
    "/var/lib/hapgent",
  ]);
  expect(listed).toContain("/usr/share/doc/hapgent/haproxy/haproxy.cfg\n");
  const packager = ["rpm", "--query", "--queryformat=%{PACKAGER}", "--package", first];
  expect(await output(packager)).toBe(author);
});

test("it is installed, upgraded and removed under systemd", async () => {
  await using machine = await bootMachine({
    binds: { "/srv/first.rpm": first, "/srv/next.rpm": next },
    // As Fedora and RHEL have it.
    files: { "/etc/systemd/system-preset/99-default-disable.preset": "disable *\n" },
  });
  /** The scripts complain of nothing; that Debian has a C library is nothing that rpm knows. */
  const rpm = async (...words: string[]) => {
    const command = ["rpm", "--nodeps", "--force-debian", ...words];
    const { stdout, stderr, exitCode } = await machine.try(command);
    // What systemd and rpm say when all is well.
    const usual =
      /^(Creating (user|group) 'hapgent' .*|Removed "\S+"[.]|warning: \S+ saved as \S+[.]rpmsave)\n/gm;
    const said = stdout + stderr.replaceAll(usual, "");
    expect({ said, exitCode }).toEqual({ said: "", exitCode: 0 });
  };
  await machine.run("rpm --initdb");
  const before = await machine.inventory();

  await rpm("--install", "/srv/first.rpm");
  expect((await machine.try("systemctl is-active hapgent")).stdout).toBe("inactive\n");
  expect((await machine.try("systemctl is-enabled hapgent")).stdout).toBe("disabled\n");
  expect(await machine.run("getent passwd hapgent")).toMatch(/:\/var\/lib\/hapgent:.*nologin$/);
  for (const path of [STATE, "/var/lib/hapgent", "/var/lib/hapgent/services"]) {
    expect(await machine.run(`stat --format=%U:%G ${path}`)).toBe("hapgent:hapgent");
  }
  expect(await machine.run("rpm --verify --nodeps hapgent")).toBe("");
  await machine.run("systemctl enable --quiet --now hapgent");
  expect(await machine.run("hapgent status")).toBe("ready up 100%");
  await machine.write("/etc/hapgent/web.env", "HAPGENT_PORT=9801\n");
  await machine.run("systemctl start hapgent@web");

  // What an operator changes survives an upgrade.
  await machine.write("/etc/default/hapgent", "HAPGENT_PORT=9888\n");
  await machine.run("hapgent ctl set status DOWN");
  const pid = await machine.property("hapgent", "MainPID");
  const instance = await machine.property("hapgent@web", "MainPID");
  await rpm("--upgrade", "/srv/next.rpm");
  await machine.answers("DOWN", 9888);
  expect(await machine.property("hapgent", "MainPID")).not.toBe(pid);
  expect(await machine.property("hapgent@web", "MainPID")).not.toBe(instance);
  expect(await machine.run("systemctl is-enabled hapgent")).toBe("enabled");
  expect(await machine.run("rpm --query hapgent")).toContain("-2.");

  await rpm("--erase", "hapgent");
  await until("nothing runs", async () => (await machine.try("pgrep -x hapgent")).stdout === "");
  const left = (await machine.inventory()).filter((path) => !before.includes(path));
  expect(left.filter((path) => path.startsWith("/"))).toEqual([
    "/etc/default/hapgent.rpmsave",
    "/etc/hapgent",
    "/etc/hapgent/web.env",
    // Where the system has it: the package filesystem's.
    "/usr/share/licenses",
    "/var/lib/hapgent",
    STATE,
    "/var/lib/hapgent/web",
    "/var/lib/hapgent/web/state.json",
  ]);
}, 120_000);
