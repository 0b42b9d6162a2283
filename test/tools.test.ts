// What a script needs is there before it does anything, or one line says what is missing, and names the
// packages as this distribution does. (That apt-get installs them where it may, scripts/fresh.ts shows.)
import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { outcome, ROOT } from "../scripts/lib/shell.ts";
import { temporaryDirectory } from "../scripts/lib/temporary.ts";
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

/** What is said where apt-get, if there is one, does this. */
async function need(apt?: string): Promise<string> {
  using directory = temporaryDirectory();
  const { path } = directory;
  if (apt !== undefined) writeFileSync(`${path}/apt-get`, `#!/bin/sh\n${apt}\n`, { mode: 0o755 });
  const tools = { chroot: "coreutils", frobnicate: "frob-extra", froth: "frob-extra" };
  const script = `import { needTools } from "${ROOT}scripts/lib/tools.ts";
    await needTools(${JSON.stringify(tools)}, "this test");`;
  const command = [...AS_ROOT, process.execPath, "-e", script];
  const { stderr, exitCode } = await outcome(command, { env: { PATH: path }, isClean: true });
  expect(exitCode).toBe(1);
  return stderr;
}

test("without apt-get, or where it fails, one line names commands and packages", async () => {
  const advice = advise(["frob-extra"], readFileSync("/etc/os-release", "utf8"));
  expect(await need()).toBe(`missing for this test: frobnicate, froth; ${advice}\n`);
  const missing = "missing for this test: frobnicate, froth";
  expect(await need("echo no network; exit 100")).toBe(`no network\n${missing}\n`);
  expect(await need("exit 0")).toBe(`still ${missing}; not in frob-extra\n`);
});
