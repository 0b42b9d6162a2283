// What a script needs is there before it does anything, or one line says what to type:
// - where this user may, the packages are installed, and then it looks whether the commands are there;
// - else the packages are named as this distribution names them.
import { describe, expect, test } from "bun:test";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { outcome } from "../scripts/lib/shell.ts";
import { temporaryDirectory } from "../scripts/lib/temporary.ts";
import { advise } from "../scripts/lib/tools.ts";

const DEBIAN_12 = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n';
const DEBIAN_13 = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_ID="13"\nID=debian\n';
const UBUNTU = "NAME=Ubuntu\nID=ubuntu\nID_LIKE=debian\n";
const FEDORA = 'NAME="Fedora Linux"\nID=fedora\nVERSION_ID=42\n';
const ROCKY = 'ID="rocky"\nID_LIKE="rhel centos fedora"\n';
const PACKAGES = ["openssh-client", "shellcheck", "socat", "util-linux-extra"];
const BY_APT = "as root: apt-get install openssh-client shellcheck socat util-linux-extra";
const BY_DNF = "as root: dnf install openssh ShellCheck socat util-linux";

test.each([
  [DEBIAN_12, BY_APT],
  [DEBIAN_13, BY_APT],
  [UBUNTU, BY_APT],
  [FEDORA, BY_DNF],
  [ROCKY, BY_DNF],
  [
    "ID=alpine\n",
    "Debian's names of the packages: openssh-client shellcheck socat util-linux-extra",
  ],
  ["", "Debian's names of the packages: openssh-client shellcheck socat util-linux-extra"],
])("on %j packages have its names", (release, advice) => {
  expect(advise(PACKAGES, release)).toBe(advice);
});

/** Root, or one who is root in a namespace of users. */
const AS_ROOT = process.getuid?.() === 0 ? [] : [Bun.which("unshare") ?? "", "--map-root-user"];

/** Needs tools on a machine that has these commands, given as texts of shell scripts. */
async function need(tools: Record<string, string>, commands: Record<string, string> = {}) {
  using directory = temporaryDirectory();
  const path = (name: string) => join(directory.path, name);
  for (const [name, text] of Object.entries(commands)) {
    writeFileSync(path(name), `#!/bin/sh\n${text}\n`);
    chmodSync(path(name), 0o755);
  }
  const fixture = `${import.meta.dir}/tools-fixture.ts`;
  const { stdout, stderr, exitCode } = await outcome(
    [...AS_ROOT, process.execPath, fixture, JSON.stringify(tools)],
    { env: { PATH: directory.path, HERE: directory.path }, isClean: true },
  );
  return { stdout, stderr, exitCode };
}

const MISSING = { frobnicate: "frob-extra", froth: "frob-extra", grumble: "grumble" };

test("what is there is enough, in the system's own directories too", async () => {
  const tools = { known: "known-package", chroot: "coreutils", "/proc/self": "kernel" };
  expect(await need(tools, { known: "" })).toMatchObject({ stdout: "all there\n", exitCode: 0 });
});

test("without apt-get, one line names commands and packages, and nothing is done", async () => {
  const { stdout, stderr, exitCode } = await need(MISSING);
  const advice = advise(["frob-extra", "grumble"], readFileSync("/etc/os-release", "utf8"));
  expect({ stdout, stderr, exitCode }).toEqual({
    stdout: "",
    stderr: `missing for this test: frobnicate, froth, grumble; ${advice}\n`,
    exitCode: 1,
  });
});

describe("with apt-get, root", () => {
  test("gets the packages, each once", async () => {
    const install = `test "$2" = update || for name in frobnicate froth grumble; do
      echo "#!/bin/sh" >"$HERE/$name"; /bin/chmod 755 "$HERE/$name"; done; echo "$@" >&2`;
    expect(await need(MISSING, { "apt-get": install })).toEqual({
      stdout: "installing frob-extra, grumble for this test\nall there\n",
      stderr: "",
      exitCode: 0,
    });
  });

  test("is told when a command is in none of them", async () => {
    const { stderr, exitCode } = await need(MISSING, { "apt-get": "" });
    const left = "frobnicate, froth, grumble; not in frob-extra, grumble";
    expect(stderr).toBe(`still missing for this test: ${left}\n`);
    expect(exitCode).toBe(1);
  });

  test("is shown why it fails", async () => {
    const { stderr, exitCode } = await need(MISSING, { "apt-get": "echo no network; exit 100" });
    expect(stderr).toBe("no network\nmissing for this test: frobnicate, froth, grumble\n");
    expect(exitCode).toBe(1);
  });
});
