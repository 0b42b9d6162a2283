// What a script needs is there before it does anything, or one line names the packages, as this
// distribution names them. (That apt-get installs them where it may, scripts/fresh.ts shows.)
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { outcome, ROOT } from "../scripts/lib/shell.ts";
import { advise } from "../scripts/lib/tools.ts";

test.each([
  ["NAME=Ubuntu\nID=ubuntu\nID_LIKE=debian\n", "as root: apt-get install shellcheck socat"],
  ['ID="rocky"\nID_LIKE="rhel centos fedora"\n', "as root: dnf install ShellCheck socat"],
  ["ID=alpine\n", "Debian's names of the packages: shellcheck socat"],
])("on %j packages have its names", (release, advice) => {
  expect(advise(["shellcheck", "socat"], release)).toBe(advice);
});

/** Root, or one who is root in a namespace of users. */
const AS_ROOT = process.getuid?.() === 0 ? [] : [Bun.which("unshare") ?? "", "--map-root-user"];

test("without apt-get, one line names commands and packages, and nothing is done", async () => {
  const tools = { chroot: "coreutils", frobnicate: "frob-extra", froth: "frob-extra" };
  const script = `import { needTools } from "${ROOT}scripts/lib/tools.ts";
    await needTools(${JSON.stringify(tools)}, "this test");`;
  const command = [...AS_ROOT, process.execPath, "-e", script];
  const advice = advise(["frob-extra"], readFileSync("/etc/os-release", "utf8"));
  expect(await outcome(command, { env: { PATH: "/nowhere" }, isClean: true })).toEqual({
    stdout: "",
    stderr: `missing for this test: frobnicate, froth; ${advice}\n`,
    exitCode: 1,
  });
});
