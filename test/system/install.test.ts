// What deploy/install.sh decides and refuses. A dry run does all but change the machine; that it is
// changed well is shown on booted ones: test/deploy/installations.test.ts.
import { afterAll, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { makeKey, runToEnd, sign, writeRelease } from "./release-fixture.ts";

const SCRIPT = `${ROOT}deploy/install.sh`;
/** The commands that a machine has in any case. */
const BASE = [
  ..."awk cat chmod cmp cp dirname getent grep gzip id ls mkdir mktemp mv realpath rm".split(" "),
  ..."sha256sum sh tar useradd wc".split(" "),
];

const shared = temporaryDirectory();
afterAll(() => shared[Symbol.dispose]());

const [key, other] = await Promise.all([makeKey(shared.path), makeKey(shared.path, "other")]);
const archives: Record<string, Uint8Array> = {};
for (const target of ["linux-x64", "linux-x64-musl", "linux-arm64"]) {
  const name = `hapgent-1.2.3-${target}`;
  const pack = `mkdir ${name}; : >${name}/hapgent; tar -cf ${name}.tar ${name}
    zstd -q ${name}.tar; gzip ${name}.tar`;
  await runToEnd(["sh", "-c", pack], {}, shared.path);
  for (const file of [`${name}.tar.zst`, `${name}.tar.gz`]) {
    archives[file] = readFileSync(join(shared.path, file));
  }
}

/** A machine, and how the installer is called there. */
interface Call {
  /** What `uname -m` says. */
  readonly arch?: string;
  /** The C library, as `getconf` names it; it knows none of musl. */
  readonly libc?: string;
  /** Commands beside the usual ones; with busybox nothing else. */
  readonly tools?: readonly string[];
  /** What the installed executable says of its version. */
  readonly installed?: string;
  /** Shell commands that make it what it is, run by root in its mount namespace. */
  readonly setup?: string;
  readonly env?: Record<string, string>;
  readonly options?: readonly string[];
  /** Whether the release's key is given. */
  readonly isSigned?: boolean;
  /** Where the signed release is, when it is not a directory: served, or another URL. */
  readonly from?: "http" | URL;
  /** Changes the files of the release. */
  readonly tamper?: (path: (name: string) => string) => unknown;
}

/** A dry run of the installer. */
async function install(call: Call) {
  using directory = temporaryDirectory();
  const { arch = "x86_64", libc = "glibc 2.36", tools = [], installed, setup = "" } = call;
  const place = (name: string) => join(directory.path, name);
  const write = (name: string, script: string) =>
    writeFileSync(place(name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  for (const name of ["bin", "tmp"]) mkdirSync(place(name));
  for (const name of [...BASE, ...tools]) {
    const isApplet = tools.includes("busybox") && !["getent", "useradd"].includes(name);
    symlinkSync(Bun.which(isApplet ? "busybox" : name) ?? name, place(`bin/${name}`));
  }
  write(
    "bin/uname",
    `case $1 in -m) echo ${arch} ;; -s) echo Linux ;; *) echo Linux ${arch} ;; esac`,
  );
  write("bin/getconf", libc === "musl" ? "exit 1" : `echo ${libc}`);
  if (installed !== undefined) write("hapgent", `echo "${installed}$BUN_OPTIONS"`);
  writeFileSync(place("cpuinfo"), "flags\t\t: fpu sse4_1 sse4_2 popcnt\n");
  const script = `mount --bind "$0/cpuinfo" /proc/cpuinfo
    for name in lib bin; do mount -t tmpfs tmpfs /usr/local/$name; done
    touch /usr/local/lib/libstdc++.so.6 /usr/local/lib/libgcc_s.so.1
    if [ -e "$0/hapgent" ]; then cp "$0/hapgent" /usr/local/bin; fi
    ${setup}
    export PATH="$0/bin" TMPDIR="$0/tmp"
    exec "$@"`;
  const machine = ["unshare", "--mount", "sh", "-ec", script, directory.path, place("bin/sh")];
  const { env, options = [], isSigned = false, from, tamper } = call;
  const release = place("release");
  await writeRelease(release, archives, key);
  await tamper?.((name) => join(release, name));
  await using server = serve(release);
  const url = from === "http" ? server.url : (from ?? `file://${release}`);
  const signers = isSigned ? ["--signers", key.signers] : [];
  const command = [SCRIPT, "--dry-run", "--from", String(url), ...signers, ...options];
  return await runToEnd([...machine, ...command], { ...env, BUN_OPTIONS: "-with-BUN_OPTIONS" });
}

/** Serves the files of a directory. */
function serve(directory: string, tls?: { key: Bun.BunFile; cert: Bun.BunFile }) {
  const fetch = ({ url }: Request) => new Response(Bun.file(directory + new URL(url).pathname));
  return Bun.serve({ hostname: "127.0.0.1", port: 0, fetch, ...(tls && { tls }) });
}

test.concurrent.each([
  ["curl", "https"],
  ["wget", "https"],
  ["curl", "http"],
  ["wget", "http"],
])(
  "a redirect from https is not followed by %s to %s, but to https it is",
  async (tool, scheme) => {
    using directory = temporaryDirectory();
    const path = (name: string) => join(directory.path, name);
    const make =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=h " +
      "-addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem";
    await runToEnd(make.split(" "), {}, directory.path);
    await writeRelease(path("release"), archives);
    writeFileSync(path("wgetrc"), `ca_certificate = ${path("cert.pem")}\n`);
    const tls = { key: Bun.file(path("key.pem")), cert: Bun.file(path("cert.pem")) };
    await using target = serve(path("release"), scheme === "https" ? tls : undefined);
    await using server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      tls,
      fetch: ({ url }) => Response.redirect(new URL(new URL(url).pathname, target.url).href),
    });
    const env = { CURL_CA_BUNDLE: path("cert.pem"), WGETRC: path("wgetrc") };
    const { text } = await install({ tools: [tool], from: server.url, env });
    if (scheme === "https") expect(text).toEndWith("\nwould install: hapgent 1.2.3\n");
    else expect(text).toContain(`there is no release at ${server.url.origin}: `);
  },
);

const SSH = { tools: ["ssh-keygen"], isSigned: true };
const BUSYBOX = { tools: ["busybox", "wget"], libc: "musl" };
const ARCHIVE = "hapgent-1.2.3-linux-x64.tar.gz";
const NO_STDCXX = "rm /usr/local/lib/libstdc++.so.6";

describe.concurrent("it installs", () => {
  test.each<[string, Call, RegExp]>([
    ["for x64", { arch: "amd64" }, /^signature not checked: no release key.*-x64\.tar\.gz$/ms],
    // SSE4.2 is nothing that arm64 has.
    ["for arm64", { arch: "aarch64", setup: ": >$0/cpuinfo" }, /^getting .*-arm64\.tar\.gz$/m],
    ["with zstd", { tools: ["zstd"] }, /^getting .*-linux-x64\.tar\.zst\nchecksum checked$/m],
    ["with busybox alone", { ...BUSYBOX, from: "http" }, /x64-musl\.tar\.gz\nchecksum checked$/m],
    ["what is signed, and says so", SSH, /^signature checked\ngetting/],
    [
      "without ssh-keygen where it may, and says so",
      { isSigned: true, options: ["--insecure"] },
      /^signature not checked: there is no ssh-keygen\ngetting/,
    ],
    ["over one of before the release", { installed: "hapgent 1.2.3-rc.1 (abc)" }, /^getting/m],
    ["over what says no version", { installed: "broken" }, /^getting/m],
    [
      "over a newer version where it may",
      { installed: "hapgent 1.10.0 (abc)", options: ["--allow-downgrade"] },
      /^downgrade from 1\.10\.0 to 1\.2\.3$/m,
    ],
  ])("%s", async (_, call, pattern) => {
    const { text, exitCode } = await install(call);
    expect(text).toMatch(pattern);
    expect(text).toContain("would: mv -f /usr/local/bin/hapgent.new /usr/local/bin/hapgent\n");
    expect(exitCode).toBe(0);
  });
});

describe.concurrent("it refuses, before it changes anything,", () => {
  test.each<[string, Call, RegExp]>([
    ["riscv64", { arch: "riscv64" }, /^install\.sh: there is no executable for Linux riscv64\n$/],
    ["no SSE4.2", { setup: "echo sse4_2x >$0/cpuinfo" }, /: this processor has no SSE4\.2, /],
    ["no /proc", { setup: "mount -t tmpfs tmpfs /proc" }, /: \/proc is not mounted/],
    ["musl without libstdc++", { libc: "musl", setup: NO_STDCXX }, /so\.6 is missing, .* apk add/],
    ["an old glibc", { libc: "glibc 2.12" }, /: the executable needs glibc 2\.17 or/],
    ["little address space", { setup: "ulimit -v 300000" }, /limited to 307 MB \(ulimit -v\); /],
    // It is asked without the runtime's variables.
    ["an older version", { installed: "hapgent 1.10.0" }, /than the installed 1\.10\.0; --allow-/],
    ["one before a coming one", { installed: "hapgent 2.0.0-rc.1" }, /installed 2\.0\.0-rc\.1;/],
    ["a signature that it cannot check", { isSigned: true }, /: the signature cannot be checked: /],
    [
      "another key, also where nothing need be signed",
      { ...SSH, options: ["--insecure"], tamper: (path) => sign(path("SHA256SUMS"), other) },
      /is not signed by a release key/,
    ],
    ["no signature", { ...SSH, tamper: (path) => rmSync(path("SHA256SUMS.sig")) }, /no signature/],
    ["a changed file", { tamper: (path) => appendFileSync(path(ARCHIVE), "x") }, /gz was changed/],
    ["a missing file", { tamper: (path) => rmSync(path(ARCHIVE)) }, /: cannot get file:/],
    [
      "a list without its line",
      { tamper: (path) => writeRelease(path(""), { other: "" }) },
      /: the release has no archive for linux-x64/,
    ],
    // A redirect to http cannot be refused then.
    [
      "busybox's wget for https",
      { ...BUSYBOX, from: new URL("https://127.0.0.1:1") },
      /: curl or GNU wget is needed: busybox's wget follows/,
    ],
  ])("%s", async (_, call, pattern) => {
    const { text, exitCode } = await install(call);
    expect(text).toMatch(pattern);
    expect(text).not.toContain("would:");
    expect(exitCode).toBe(1);
  });

  test.each([
    [[], 2, "usage:"],
    [["--from", "file:///nowhere", "--signers"], 2, "--signers needs a file"],
    [["--from", "file:///nowhere", "--signers", "/no/where"], 1, "realpath: "],
    [["--from", "ftp://host"], 1, "expected a URL of https://, http:// or file:///, got ftp"],
  ])("the arguments %j", async (options, code, problem) => {
    const { text, exitCode } = await runToEnd(["sh", SCRIPT, "--dry-run", ...options]);
    expect(text).toContain(problem);
    expect(exitCode).toBe(code);
  });

  test("half of itself", async () => {
    using directory = temporaryDirectory();
    const text = readFileSync(SCRIPT, "utf8");
    const half = join(directory.path, "half.sh");
    writeFileSync(half, text.slice(0, text.lastIndexOf("main")));
    expect(await runToEnd(["sh", half, "--from", "file:///"])).toEqual({ text: "", exitCode: 0 });
  });
});
