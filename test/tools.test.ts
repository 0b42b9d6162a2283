// What a script needs is there before it does anything, or one line says what to type:
// - where this user may, the packages are installed;
// - else the packages are named.
import { describe, expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { outcome } from "../scripts/lib/shell.ts";
import { temporaryDirectory } from "../scripts/lib/temporary.ts";

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

const ADVICE =
  "missing for this test: frobnicate, froth, grumble; as root: apt-get install frob-extra grumble";
const MISSING = { frobnicate: "frob-extra", froth: "frob-extra", grumble: "grumble" };

test("what is there is enough, in the system's own directories too", async () => {
  const tools = { known: "known-package", chroot: "coreutils", "/proc/self": "kernel" };
  expect(await need(tools, { known: "" })).toMatchObject({ stdout: "all there\n", exitCode: 0 });
});

test("without apt-get, one line names commands and packages, and nothing is done", async () => {
  const { stdout, stderr, exitCode } = await need(MISSING);
  expect({ stdout, stderr, exitCode }).toEqual({ stdout: "", stderr: `${ADVICE}\n`, exitCode: 1 });
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

  test("is shown why it fails", async () => {
    const { stderr, exitCode } = await need(MISSING, { "apt-get": "echo no network; exit 100" });
    expect(stderr).toBe(`no network\n${ADVICE}\n`);
    expect(exitCode).toBe(1);
  });
});
