// What deploy/install.sh decides and refuses. A dry run does all but change the machine; that it is
// changed well is shown on booted ones: test/deploy/install.test.ts.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { type Key, makeKey, runToEnd, sign, writeRelease } from "./release-fixture.ts";

const SCRIPT = `${ROOT}deploy/install.sh`;
const TARGETS = ["linux-x64", "linux-x64-musl", "linux-arm64", "linux-arm64-musl"];
/** The commands that a machine has in any case. */
const BASE = [
  ..."awk cat chmod cmp cp dirname getent grep gzip id ls mkdir mktemp mv realpath rm".split(" "),
  ..."sha256sum sh tar uname useradd wc getconf".split(" "),
];

const shared = temporaryDirectory();
const archives: Record<string, Uint8Array> = {};
let key: Key;
let other: Key;

beforeAll(async () => {
  [key, other] = await Promise.all([makeKey(shared.path), makeKey(shared.path, "other")]);
  for (const target of TARGETS) await addArchives(`hapgent-1.2.3-${target}`);
}, 30_000);

afterAll(() => shared[Symbol.dispose]());

/**
 * Packs an archive as a release has it, in place of the executable a script that leaves a trace of
 * where it ran.
 */
async function addArchives(name: string): Promise<void> {
  const content = join(shared.path, name);
  mkdirSync(content);
  await Bun.write(join(content, "hapgent"), `#!/bin/sh\n: >"$TMPDIR/ran"\necho "${name}"\n`);
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
  /** The version of glibc. */
  glibc?: string;
  /** Commands beside the usual ones. */
  tools?: string[];
  /** Only busybox, as on Alpine. */
  isBusybox?: boolean;
  /** What the processor can, as /proc/cpuinfo says. */
  flags?: string;
  /** Libraries in /usr/local/lib. */
  libraries?: string[];
  /** What the installed executable says of its version. */
  installed?: string;
  /** More commands of a shell that make it what it is, run by root in a mount namespace. */
  setup?: string;
}

/**
 * A command that runs another one with the files of a machine in their places, in a mount
 * namespace of its own.
 */
async function makeRoot(directory: string, machine: Machine): Promise<string[]> {
  const { flags = "fpu sse4_1 sse4_2 popcnt", installed, setup = "" } = machine;
  const { libraries = ["libstdc++.so.6", "libgcc_s.so.1"] } = machine;
  const place = (name: string) => join(directory, name);
  writeFileSync(place("cpuinfo"), `processor\t: 0\nflags\t\t: ${flags}\n`);
  for (const name of ["local-lib", "local-bin", "tmp"]) mkdirSync(place(name));
  for (const name of libraries) writeFileSync(join(place("local-lib"), name), "");
  if (installed !== undefined) {
    const executable = join(place("local-bin"), "hapgent");
    writeFileSync(executable, `#!/bin/sh\necho "${installed}$BUN_OPTIONS"\n`, { mode: 0o755 });
  }
  const script = `mount --bind "$0/cpuinfo" /proc/cpuinfo
    mount --bind "$0/local-lib" /usr/local/lib
    mount --bind "$0/local-bin" /usr/local/bin
    ${setup}
    exec "$@"`;
  const user = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  return ["unshare", "--mount", ...user, "sh", "-ec", script, directory];
}

/** Makes a directory of commands, the only ones of a machine. */
async function makePath(directory: string, machine: Machine): Promise<string> {
  const { arch = "x86_64", libc = "glibc", glibc = "2.36", tools = [], isBusybox } = machine;
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
  const getconf = libc === "glibc" ? `echo glibc ${glibc}` : "exit 1";
  await Bun.write(join(path, "getconf"), `#!/bin/sh\n${getconf}\n`);
  await runToEnd(["chmod", "+x", join(path, "uname"), join(path, "getconf")]);
  return path;
}

/** Changes the files of a release. */
type Tamper = (path: (name: string) => string) => unknown;

/** A signed release, changed by `tamper`, and what a dry run of the installer makes of it. */
async function tryInstall(
  machine: Machine,
  options: string[] = [],
  tamper: Tamper = () => undefined,
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
  const install = [join(path, "sh"), SCRIPT, "--dry-run", "--from", from, ...rest];
  const root = await makeRoot(directory.path, machine);
  const command = [...root, "env", `PATH=${path}`, `TMPDIR=${directory.path}/tmp`, ...install];
  const ended = await runToEnd(command, { BUN_OPTIONS: " with BUN_OPTIONS" });
  return { ...ended, hasRun: existsSync(join(directory.path, "tmp/ran")) };
}

test("shellcheck finds nothing", async () => {
  expect(await runToEnd(["shellcheck", SCRIPT])).toEqual({ text: "", exitCode: 0 });
});

describe.concurrent("a redirect", () => {
  /** Downloads from a server that redirects to another of this scheme. */
  async function tryRedirect(tool: string, scheme: "http" | "https") {
    using directory = temporaryDirectory();
    const path = (name: string) => join(directory.path, name);
    const make = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=h";
    const names = ["-addext", "subjectAltName=IP:127.0.0.1"];
    const files = ["-keyout", path("key.pem"), "-out", path("cert.pem")];
    await runToEnd(["openssl", ...make.split(" "), ...names, ...files]);
    await writeRelease(path("release"), archives);
    await Bun.write(path("wgetrc"), `ca_certificate = ${path("cert.pem")}\n`);
    const tls = { key: Bun.file(path("key.pem")), cert: Bun.file(path("cert.pem")) };
    const listen = { hostname: "127.0.0.1", port: 0 };
    const serve = ({ url }: Request) =>
      new Response(Bun.file(join(path("release"), new URL(url).pathname)));
    await using target = Bun.serve({
      ...listen,
      fetch: serve,
      ...(scheme === "https" ? { tls } : {}),
    });
    await using server = Bun.serve({
      ...listen,
      tls,
      fetch: ({ url }) => Response.redirect(new URL(new URL(url).pathname, target.url).href),
    });
    const commands = await makePath(directory.path, { tools: [tool] });
    const install = [join(commands, "sh"), SCRIPT, "--dry-run", "--from", server.url.href];
    const root = await makeRoot(directory.path, {});
    return await runToEnd(
      [...root, "env", `PATH=${commands}`, `TMPDIR=${directory.path}/tmp`, ...install],
      { CURL_CA_BUNDLE: path("cert.pem"), WGETRC: path("wgetrc") },
    );
  }

  test.each(["curl", "wget"])("to https is followed by %s", async (tool) => {
    const { text, exitCode } = await tryRedirect(tool, "https");
    expect(text).toEndWith("would install: hapgent 1.2.3\n");
    expect(exitCode).toBe(0);
  });

  test.each(["curl", "wget"])("from https to http is not followed by %s", async (tool) => {
    const { text, exitCode } = await tryRedirect(tool, "http");
    expect(text).toContain("there is no release at https://127.0.0.1:");
    expect(exitCode).toBe(1);
  });
});

const SSH: Machine = { tools: ["ssh-keygen"] };
const WOULD = /\nwould install: hapgent 1\.2\.3\n$/;
const ARCHIVE = "hapgent-1.2.3-linux-x64.tar.gz";

/** Options with the key that signed the release. */
const signed = (...options: string[]) => [...options, "--signers", key.signers];

const signByOther: Tamper = (path) => sign(path("SHA256SUMS"), other);

type Row = [
  name: string,
  machine: Machine,
  text: RegExp,
  options?: () => string[],
  tamper?: Tamper,
];

describe.concurrent("it installs", () => {
  test.each<Row>([
    ["amd64", { arch: "amd64" }, /^getting hapgent-1\.2\.3-linux-x64\.tar\.gz\nchecksum/m],
    ["musl", { libc: "musl" }, /^getting hapgent-1\.2\.3-linux-x64-musl\.tar\.gz\nchecksum/m],
    // SSE4.2 is nothing that arm64 has.
    ["aarch64", { arch: "aarch64", flags: "asimd" }, /^getting .*-linux-arm64\.tar\.gz\nchecksum/m],
    ["arm64 with musl", { arch: "arm64", libc: "musl" }, /^getting .*-linux-arm64-musl\.tar\.gz/m],
    ["with zstd", { tools: ["zstd"] }, /^getting .*-linux-x64\.tar\.zst\nchecksum/m],
    ["with curl", { tools: ["curl"] }, /\.tar\.gz\nchecksum/, () => ["http"]],
    ["with wget", { tools: ["wget"] }, /\.tar\.gz\nchecksum/, () => ["http"]],
    [
      "with nothing but busybox",
      { tools: ["wget"], isBusybox: true, libc: "musl" },
      /\.tar\.gz\nchecksum/,
      () => ["http"],
    ],
    ["what is signed, and says so", SSH, /^signature checked\ngetting/, signed],
    [
      "without a key, and says so",
      SSH,
      /^signature not checked: no release key is published yet\n/,
    ],
    [
      "without ssh-keygen where it may, and says so",
      {},
      /^signature not checked: there is no ssh-keygen\ngetting/,
      () => signed("--insecure"),
    ],
    ["samples", {}, /^would: chmod 644 \S*\/doc\/hapgent\/haproxy\/haproxy\.cfg\.new$/m],
    [
      "programs",
      {},
      /^would: chmod 755 \S*\/doc\/hapgent\/monitoring\/haproxy-agent-status\.new$/m,
    ],
    [
      "from a directory that nothing runs from",
      { setup: 'mount -t tmpfs -o noexec tmpfs "$0/tmp"' },
      WOULD,
    ],
    ["over the same version", { installed: "hapgent 1.2.3 (abc)" }, WOULD],
    ["over an older version", { installed: "hapgent 0.9.0 (abc)" }, WOULD],
    ["over one of before the release", { installed: "hapgent 1.2.3-rc.1 (abc)" }, WOULD],
    ["over what says no version", { installed: "broken" }, WOULD],
    [
      "over a newer version where it may",
      { installed: "hapgent 1.10.0 (abc)" },
      /^downgrade from 1\.10\.0 to 1\.2\.3$/m,
      () => ["--allow-downgrade"],
    ],
  ])("%s", async (...row) => {
    const [, machine, text, options, tamper] = row;
    const ended = await tryInstall(machine, options?.(), tamper);
    expect(ended.text).toMatch(text);
    expect(ended.text).toMatch(WOULD);
    expect(ended.text).toContain(
      "would: mv -f /usr/local/bin/hapgent.new /usr/local/bin/hapgent\n",
    );
    // Nothing of the download has run.
    expect(ended).toMatchObject({ exitCode: 0, hasRun: false });
  });
});

describe.concurrent("it refuses, before it changes anything,", () => {
  test.each<Row>([
    ["riscv64", { arch: "riscv64" }, /^install\.sh: there is no executable for Linux riscv64\n$/],
    ["no SSE4.2", { flags: "fpu sse4_1 sse4_2x" }, /^install\.sh: this processor has no SSE4\.2, /],
    ["no /proc", { setup: "mount -t tmpfs tmpfs /proc" }, /^install\.sh: \/proc is not mounted/],
    [
      "no libstdc++ beside musl",
      { libc: "musl", libraries: ["libgcc_s.so.1"] },
      /^install\.sh: libstdc\+\+\.so\.6 is missing, .* \(Alpine: apk add libstdc\+\+\)/,
    ],
    [
      "no libgcc_s beside musl",
      { libc: "musl", libraries: ["libstdc++.so.6"] },
      /^install\.sh: libgcc_s\.so\.1 is missing/,
    ],
    ["an old glibc", { glibc: "2.12" }, /^install\.sh: the executable needs glibc 2\.17 or/],
    [
      "little address space",
      { setup: "ulimit -v 300000" },
      /^install\.sh: the address space is limited to 307 MB \(ulimit -v\); .* needs 400 MB/,
    ],
    ["an older version", { installed: "hapgent 1.2.4 (abc)" }, older("1.2.4")],
    ["a version older by number", { installed: "hapgent 1.10.0 (abc)" }, older("1.10.0")],
    ["a version older than a coming one", { installed: "hapgent 2.0.0-rc.1" }, older("2.0.0-rc.1")],
    // The version is asked without the runtime's variables.
    ["it on arm64", { arch: "aarch64", installed: "hapgent 9.9.9" }, older("9.9.9")],
    [
      "a signature that it cannot check",
      {},
      /^install\.sh: the signature cannot be checked: /,
      signed,
    ],
    ["another key", SSH, /is not signed by a release key/, signed, signByOther],
    [
      "another key, also where nothing need be signed",
      SSH,
      /is not signed by a release key/,
      () => signed("--insecure"),
      signByOther,
    ],
    ["no signature", SSH, /has no signature/, signed, (path) => rmSync(path("SHA256SUMS.sig"))],
    [
      "the signature of another list",
      SSH,
      /is not signed by a release key/,
      signed,
      (path) => appendFileSync(path("SHA256SUMS"), `${"0".repeat(64)}  another\n`),
    ],
    [
      "a changed file",
      {},
      /\.tar\.gz was changed/,
      none,
      (path) => appendFileSync(path(ARCHIVE), "x"),
    ],
    ["a missing file", {}, /: cannot get file:/, none, (path) => rmSync(path(ARCHIVE))],
    [
      "a list without its line",
      {},
      /: the release has no archive for linux-x64/,
      none,
      (path) => writeRelease(path(""), { other: "" }),
    ],
    ["no list", {}, /: there is no release at file:/, none, (path) => rmSync(path("SHA256SUMS"))],
    // A redirect to http cannot be refused then.
    [
      "busybox's wget for https",
      { tools: ["wget"], isBusybox: true },
      /: curl or GNU wget is needed: busybox's wget follows/,
      () => ["--from", "https://127.0.0.1:1"],
    ],
  ])("%s", async (...row) => {
    const [, machine, text, options, tamper] = row;
    const ended = await tryInstall(machine, options?.(), tamper);
    expect(ended.text).toMatch(text);
    expect(ended.text).not.toContain("would:");
    expect(ended.exitCode).toBe(1);
  });

  test.each([
    [[], 2, "usage:"],
    [["--from"], 2, "--from needs a URL"],
    [["--from", "file:///nowhere", "--signers"], 2, "--signers needs a file"],
    [["--from", "file:///nowhere", "--signers", "/no/where"], 1, "realpath: "],
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

function none(): string[] {
  return [];
}

function older(version: string): RegExp {
  const installed = version.replaceAll(".", "\\.");
  return new RegExp(
    `1\\.2\\.3 is older than the installed ${installed}; --allow-downgrade installs`,
  );
}
