// What deploy/install.sh decides and refuses. A dry run does all but change the machine; that it is
// changed well is shown on booted ones: test/deploy/install.test.ts.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { appendFileSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { needTools } from "../../scripts/lib/tools.ts";
import { type Key, makeKey, runToEnd, sign, writeRelease } from "./release-fixture.ts";

const SCRIPT = `${ROOT}deploy/install.sh`;
const TARGETS = ["linux-x64", "linux-x64-musl", "linux-arm64", "linux-arm64-musl"];
/** The commands that a machine has in any case. */
const BASE = [
  ..."cat chmod cmp cp dirname getent grep gzip id ls mkdir mktemp mv realpath rm sha256sum".split(
    " ",
  ),
  ..."sh tar uname useradd wc getconf".split(" "),
];

const shared = temporaryDirectory();
const archives: Record<string, Uint8Array> = {};
let key: Key;
let other: Key;

beforeAll(async () => {
  await needTools({
    ...{ "ssh-keygen": "openssh-client", zstd: "zstd", gzip: "gzip", shellcheck: "shellcheck" },
    ...{ curl: "curl", wget: "wget", busybox: "busybox" },
  });
  [key, other] = await Promise.all([makeKey(shared.path), makeKey(shared.path, "other")]);
  for (const target of TARGETS) await addArchives(`hapgent-1.2.3-${target}`);
}, 30_000);

afterAll(() => shared[Symbol.dispose]());

/** Packs an archive as a release has it, with a script in place of the executable. */
async function addArchives(name: string): Promise<void> {
  const content = join(shared.path, name);
  mkdirSync(content);
  await Bun.write(join(content, "hapgent"), `#!/bin/sh\necho "${name} in $0"\n`);
  const pack = `chmod +x ${name}/hapgent && cp -r "$0" ${name} && tar -cf ${name}.tar ${name} &&
    zstd -q ${name}.tar && gzip ${name}.tar`;
  await runToEnd(["sh", "-c", pack, `${ROOT}deploy`], {}, shared.path);
  for (const suffix of ["zst", "gz"]) {
    const file = `${name}.tar.${suffix}`;
    archives[file] = readFileSync(join(shared.path, file));
  }
}

interface Machine {
  /** What `uname -m` says. */
  arch?: string;
  libc?: "glibc" | "musl";
  /** Commands beside the usual ones. */
  tools?: string[];
  /** Only busybox, as on Alpine. */
  isBusybox?: boolean;
}

/** Makes a directory of commands, the only ones of a machine. */
async function makePath(directory: string, machine: Machine): Promise<string> {
  const { arch = "x86_64", libc = "glibc", tools = [], isBusybox = false } = machine;
  const path = join(directory, "bin");
  mkdirSync(path);
  const own = isBusybox ? ["getent", "useradd", "getconf"] : [];
  for (const name of [...BASE, ...tools].filter((command) => !own.includes(command))) {
    symlinkSync(Bun.which(isBusybox ? "busybox" : name) ?? name, join(path, name));
  }
  for (const name of ["uname", "getconf"]) rmSync(join(path, name), { force: true });
  const cases = `-m) echo ${arch};; -s) echo Linux;; *) echo Linux ${arch};;`;
  const uname = `#!/bin/sh\ncase $1 in ${cases} esac\n`;
  await Bun.write(join(path, "uname"), uname);
  await Bun.write(join(path, "getconf"), `#!/bin/sh\nexit ${libc === "glibc" ? 0 : 1}\n`);
  await runToEnd(["chmod", "+x", join(path, "uname"), join(path, "getconf")]);
  return path;
}

/** A signed release, changed by `tamper`, and what a dry run of the installer makes of it. */
async function tryInstall(
  machine: Machine,
  options: string[] = [],
  tamper: (path: (name: string) => string) => unknown = () => undefined,
) {
  using directory = temporaryDirectory();
  const release = join(directory.path, "release");
  await writeRelease(release, archives, key);
  await tamper((name) => join(release, name));
  const path = await makePath(directory.path, machine);
  using server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async ({ url }) => {
      const file = Bun.file(join(release, new URL(url).pathname));
      return (await file.exists()) ? new Response(file) : new Response("", { status: 404 });
    },
  });
  const from = options.includes("http") ? `http://127.0.0.1:${server.port}/` : `file://${release}`;
  const rest = options.filter((option) => option !== "http");
  const command = [join(path, "sh"), SCRIPT, "--dry-run", "--from", from, ...rest];
  return await runToEnd(command, { PATH: path, TMPDIR: directory.path });
}

test("shellcheck finds nothing", async () => {
  expect(await runToEnd(["shellcheck", SCRIPT])).toEqual({ text: "", exitCode: 0 });
});

describe.concurrent("it chooses", () => {
  test.each<[Machine, string]>([
    [{ arch: "x86_64", libc: "glibc" }, "linux-x64"],
    [{ arch: "amd64", libc: "musl" }, "linux-x64-musl"],
    [{ arch: "aarch64", libc: "glibc" }, "linux-arm64"],
    [{ arch: "arm64", libc: "musl" }, "linux-arm64-musl"],
  ])("on %j the archive for %s", async (machine, target) => {
    const { text, exitCode } = await tryInstall(machine);
    expect(text).toContain(`getting hapgent-1.2.3-${target}.tar.gz\n`);
    expect(text).toContain("would: mv -f /usr/local/bin/hapgent.new /usr/local/bin/hapgent\n");
    expect(text).toMatch(new RegExp(`installed: hapgent-1.2.3-${target} in \\S+\n$`));
    expect(exitCode).toBe(0);
  });

  test.each<[string, Machine, string]>([
    ["with zstd", { tools: ["zstd"] }, "tar.zst"],
    ["with curl", { tools: ["curl"] }, "tar.gz"],
    ["with wget", { tools: ["wget"] }, "tar.gz"],
    ["with nothing but busybox", { tools: ["wget"], isBusybox: true, libc: "musl" }, "tar.gz"],
  ])("%s what this machine can get and unpack", async (_, machine, suffix) => {
    const { tools = [] } = machine;
    const { text, exitCode } = await tryInstall(machine, tools.includes("zstd") ? [] : ["http"]);
    expect(text).toMatch(new RegExp(`getting hapgent-1.2.3-linux-x64(-musl)?.${suffix}\nchecksum`));
    expect(exitCode).toBe(0);
  });
});

describe.concurrent("the signature", () => {
  const ssh: Machine = { tools: ["ssh-keygen"] };

  test("is checked where there is a key and ssh-keygen", async () => {
    const { text, exitCode } = await tryInstall(ssh, ["--signers", key.signers]);
    expect(text).toStartWith("signature checked\ngetting");
    expect(exitCode).toBe(0);
  });

  test.each<[string, Machine, string[], string]>([
    ["there is no key", ssh, [], "no release key is published yet"],
    ["there is no ssh-keygen", {}, ["key"], "there is no ssh-keygen"],
  ])("is not where %s, and that is said", async (_, machine, options, reason) => {
    const signers = options.length > 0 ? ["--signers", key.signers] : [];
    const { text, exitCode } = await tryInstall(machine, signers);
    expect(text).toStartWith(`signature not checked: ${reason}\ngetting`);
    expect(exitCode).toBe(0);
  });

  test.each<[string, (path: (name: string) => string) => unknown, string]>([
    ["of another key", (path) => sign(path("SHA256SUMS"), other), "is not signed by a release key"],
    ["that is missing", (path) => rmSync(path("SHA256SUMS.sig")), "the release has no signature"],
    [
      "of an older list",
      (path) => appendFileSync(path("SHA256SUMS"), `${"0".repeat(64)}  another\n`),
      "is not signed by a release key",
    ],
  ])("%s ends it", async (_, tamper, problem) => {
    const { text, exitCode } = await tryInstall(ssh, ["--signers", key.signers], tamper);
    expect(text).toContain(problem);
    expect(text).not.toContain("getting");
    expect(exitCode).toBe(1);
  });
});

describe.concurrent("it refuses", () => {
  const archive = "hapgent-1.2.3-linux-x64.tar.gz";

  test.each<[string, (path: (name: string) => string) => unknown, string]>([
    [
      "a file that was changed",
      (path) => appendFileSync(path(archive), "x"),
      `${archive} was changed`,
    ],
    ["a file that is missing", (path) => rmSync(path(archive)), `cannot get file://`],
    [
      "a list without its line",
      async (path) => await writeRelease(path(""), { other: "" }),
      "the release has no archive for linux-x64",
    ],
    [
      "a place without a list",
      (path) => rmSync(path("SHA256SUMS")),
      "there is no release at file://",
    ],
  ])("%s", async (_, tamper, problem) => {
    const { text, exitCode } = await tryInstall({}, [], tamper);
    expect(text).toContain(`install.sh: ${problem}`);
    expect(text).not.toContain("would:");
    expect(exitCode).toBe(1);
  });

  test("a machine that there is no executable for", async () => {
    const { text, exitCode } = await tryInstall({ arch: "riscv64" });
    expect(text).toBe("install.sh: there is no executable for Linux riscv64\n");
    expect(exitCode).toBe(1);
  });

  test.each([
    [[], 2, "usage:"],
    [["--from"], 2, "--from needs a URL"],
    [
      ["--from", "ftp://host"],
      1,
      "expected a URL of https://, http:// or file:///, got ftp://host",
    ],
    [["--delete"], 2, "usage:"],
  ])("the arguments %j", async (options, code, problem) => {
    const { text, exitCode } = await runToEnd(["sh", SCRIPT, "--dry-run", ...options]);
    expect(text).toContain(problem);
    expect(exitCode).toBe(code);
  });

  test("half of itself", async () => {
    using directory = temporaryDirectory();
    const text = await Bun.file(SCRIPT).text();
    const half = join(directory.path, "half.sh");
    await Bun.write(half, text.slice(0, text.lastIndexOf("main")));
    expect(await runToEnd(["sh", half, "--from", "file:///"])).toEqual({ text: "", exitCode: 0 });
  });
});
