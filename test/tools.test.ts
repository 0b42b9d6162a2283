// What a script needs is there before it does anything, or one line says what to type:
// - where this user may, the packages are installed, and then it looks whether the commands are there;
// - else the packages are named as this distribution names them.
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

/** Needs three commands on a machine where apt-get, if there is one, is this script of a shell. */
async function need(apt?: string) {
  using directory = temporaryDirectory();
  const { path } = directory;
  if (apt !== undefined) writeFileSync(`${path}/apt-get`, `#!/bin/sh\n${apt}\n`, { mode: 0o755 });
  const tools = { chroot: "coreutils", frobnicate: "frob-extra", froth: "frob-extra" };
  const script = `import { needTools } from "${ROOT}scripts/lib/tools.ts";
    await needTools(${JSON.stringify(tools)}, "this test");
    console.log("all there");`;
  const command = [...AS_ROOT, process.execPath, "-e", script];
  return await outcome(command, { env: { PATH: path, HERE: path }, isClean: true });
}

test("without apt-get, one line names commands and packages, and nothing is done", async () => {
  const advice = advise(["frob-extra"], readFileSync("/etc/os-release", "utf8"));
  expect(await need()).toEqual({
    stdout: "",
    stderr: `missing for this test: frobnicate, froth; ${advice}\n`,
    exitCode: 1,
  });
});

test.each([
  [
    `test "$2" = update || for name in frobnicate froth; do
      echo "#!/bin/sh" >"$HERE/$name"; /bin/chmod 755 "$HERE/$name"; done`,
    "all there\n",
    "",
  ],
  ["", "", "still missing for this test: frobnicate, froth; not in frob-extra\n"],
  ["echo no network; exit 100", "", "no network\nmissing for this test: frobnicate, froth\n"],
])("with apt-get root gets the packages, or is told why not: %j", async (apt, said, problem) => {
  expect(await need(apt)).toEqual({
    stdout: `installing frob-extra for this test\n${said}`,
    stderr: problem,
    exitCode: problem === "" ? 0 : 1,
  });
});
