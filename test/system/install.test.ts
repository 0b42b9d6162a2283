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
  const install = [join(path, "sh"), SCRIPT, "--dry-run", "--from", from, ...rest];
  const root = await makeRoot(directory.path, machine);
  const command = [...root, "env", `PATH=${path}`, `TMPDIR=${directory.path}/tmp`, ...install];
  const ended = await runToEnd(command, { BUN_OPTIONS: " with BUN_OPTIONS" });
  return { ...ended, hasRun: existsSync(join(directory.path, "tmp/ran")) };
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
    expect(text).toEndWith("\nwould install: hapgent 1.2.3\n");
    expect(text).not.toContain("installed");
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
    ["there is no ssh-keygen", {}, ["--insecure", "--signers"], "there is no ssh-keygen"],
  ])("is not where %s, and that is said", async (_, machine, options, reason) => {
    const signers = options.length > 0 ? [...options, key.signers] : [];
    const { text, exitCode } = await tryInstall(machine, signers);
    expect(text).toStartWith(`signature not checked: ${reason}\ngetting`);
    expect(exitCode).toBe(0);
  });

  test("that cannot be checked for want of ssh-keygen ends it", async () => {
    const { text, exitCode } = await tryInstall({}, ["--signers", key.signers]);
    expect(text).toStartWith("install.sh: the signature cannot be checked: install ssh-keygen (");
    expect(text).not.toContain("getting");
    expect(exitCode).toBe(1);
  });

  test("counts with --insecure, too, where ssh-keygen is there", async () => {
    const options = ["--insecure", "--signers", key.signers];
    const { text, exitCode } = await tryInstall(ssh, options, (path) =>
      sign(path("SHA256SUMS"), other),
    );
    expect(text).toContain("is not signed by a release key");
    expect(exitCode).toBe(1);
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

test("the samples of the archive are installed, and those that are programs can be run", async () => {
  const { text } = await tryInstall({});
  const doc = "/usr/local/share/doc/hapgent";
  expect(text).toContain(`would: chmod 644 ${doc}/haproxy/haproxy.cfg.new\n`);
  expect(text).toContain(`would: chmod 755 ${doc}/monitoring/haproxy-agent-status.new\n`);
});

test("nothing of the download has run when a dry run ends", async () => {
  expect(await tryInstall({})).toMatchObject({ exitCode: 0, hasRun: false });
});

test("a temporary directory that nothing can be run from is enough", async () => {
  const setup = 'mount -t tmpfs -o noexec tmpfs "$0/tmp"';
  const { text, exitCode } = await tryInstall({ setup });
  expect(text).toEndWith("would install: hapgent 1.2.3\n");
  expect(exitCode).toBe(0);
});

describe.concurrent("what the machine lacks is said before anything is downloaded:", () => {
  test.each<[string, Machine, string]>([
    [
      "SSE4.2",
      { flags: "fpu sse4_1 sse4_2x" },
      "this processor has no SSE4.2, which the executable needs; a virtual machine may get it with",
    ],
    ["/proc", { setup: "mount -t tmpfs tmpfs /proc" }, "/proc is not mounted"],
    [
      "libstdc++ beside musl",
      { libc: "musl", libraries: ["libgcc_s.so.1"] },
      "libstdc++.so.6 is missing, which the executable needs (Alpine: apk add libstdc++)",
    ],
    [
      "libgcc_s beside musl",
      { libc: "musl", libraries: ["libstdc++.so.6"] },
      "libgcc_s.so.1 is missing",
    ],
    ["a C library that is not too old", { glibc: "2.12" }, "the executable needs glibc 2.17 or"],
    [
      "address space",
      { setup: "ulimit -v 300000" },
      "the address space is limited to 307 MB (ulimit -v); the executable needs 400 MB",
    ],
  ])("%s", async (_, machine, problem) => {
    const { text, exitCode } = await tryInstall(machine);
    expect(text).toStartWith(`install.sh: ${problem}`);
    expect(exitCode).toBe(1);
  });

  test("SSE4.2 is nothing that arm64 has", async () => {
    const { exitCode } = await tryInstall({ arch: "aarch64", flags: "asimd" });
    expect(exitCode).toBe(0);
  });
});

describe.concurrent("the version that is installed", () => {
  test.each([
    ["hapgent 1.2.4 (abc)", "1.2.4"],
    ["hapgent 1.10.0 (abc)", "1.10.0"],
    ["hapgent 2.0.0-rc.1 (abc)", "2.0.0-rc.1"],
  ])("%s is not replaced by 1.2.3 unasked", async (installed, version) => {
    const refused = await tryInstall({ installed });
    const why = `version 1.2.3 is older than the installed ${version}; --allow-downgrade installs`;
    expect(refused.text).toContain(`install.sh: ${why}`);
    expect(refused.text).not.toContain("would:");
    expect(refused.exitCode).toBe(1);
    const allowed = await tryInstall({ installed }, ["--allow-downgrade"]);
    expect(allowed.text).toContain(`downgrade from ${version} to 1.2.3\n`);
    expect(allowed.exitCode).toBe(0);
  });

  test.each(["hapgent 1.2.3 (abc)", "hapgent 0.9.0 (abc)", "hapgent 1.2.3-rc.1 (abc)", "broken"])(
    "%s is replaced by 1.2.3",
    async (installed) => {
      const { text, exitCode } = await tryInstall({ installed });
      expect(text).toEndWith("\nwould install: hapgent 1.2.3\n");
      expect(exitCode).toBe(0);
    },
  );

  test("is asked without the runtime's variables", async () => {
    const machine = { arch: "aarch64", installed: "hapgent 9.9.9" };
    const { text } = await tryInstall(machine);
    expect(text).toContain("older than the installed 9.9.9; ");
    expect(text).not.toContain("BUN_OPTIONS");
  });
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

  test("cannot be refused by busybox's wget, which is not used for https", async () => {
    const machine = { tools: ["wget"], isBusybox: true };
    const { text, exitCode } = await tryInstall(machine, ["--from", "https://127.0.0.1:1"]);
    expect(text).toContain("install.sh: curl or GNU wget is needed: busybox's wget follows");
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
