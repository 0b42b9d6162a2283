// A release is complete, verifiable and the same for the same commit; what is not right is
// refused before anything is built or published.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "../../package.json";
import { output } from "../../scripts/lib/shell.ts";
import { packageVersion } from "../../scripts/lib/version.ts";
import { runToEnd } from "../system/release-fixture.ts";
import { baseRelease, cloneTree, makeRelease, releaseKey } from "./release.ts";

const TARGETS = ["linux-arm64", "linux-arm64-musl", "linux-x64", "linux-x64-musl"];

/** A tree that a release can be made of, to spoil. */
const tree = join(tmpdir(), "release-spoilt");
let release: string;

beforeAll(async () => {
  release = await baseRelease();
  await cloneTree(tree);
});

afterAll(() => rmSync(tree, { recursive: true }));

test("it has executables, archives, packages, an image, checksums and signatures", () => {
  const executables = TARGETS.map((target) => `hapgent-${version}-${target}`);
  expect(new Set(readdirSync(release))).toEqual(
    new Set([
      ...executables.flatMap((name) => [name, `${name}.sig`, `${name}.tar.gz`, `${name}.tar.zst`]),
      ...["amd64", "arm64"].flatMap((architecture) => {
        const name = `hapgent_${packageVersion()}_${architecture}`;
        return [`${name}.deb`, `${name}.buildinfo`];
      }),
      ...["x86_64", "aarch64"].map((name) => `hapgent-${packageVersion()}-1.${name}.rpm`),
      ...[`hapgent-${version}-image.tar`, "hapgent.cdx.json", "NOTES.md", "install.sh"],
      ...["SHA256SUMS", "SHA256SUMS.sig"],
    ]),
  );
});

test("another directory, umask, time zone and language give the same files", async () => {
  const directory = join(tmpdir(), "release-again/elsewhere");
  const env = { TZ: "Asia/Kathmandu", LC_ALL: "C.UTF-8", LANG: "tr_TR.UTF-8" };
  const again = await makeRelease(directory, { umask: "077", env });
  const read = (from: string, name: string) => readFileSync(join(from, name), "utf8");
  expect(read(again, "SHA256SUMS")).toBe(read(release, "SHA256SUMS"));
  // Signatures are not in the list, but of the list and of the executables.
  for (const name of readdirSync(release).filter((file) => file.endsWith(".sig"))) {
    expect(read(again, name)).toBe(read(release, name));
  }
  rmSync(directory, { recursive: true });
});

test("who downloads it can verify it, with the two commands of its notes", async () => {
  const { signers } = await releaseKey();
  const notes = readFileSync(join(release, "NOTES.md"), "utf8");
  const commands = notes.match(/^ {4}.+$/gm) ?? [];
  expect(commands).toHaveLength(2);
  const script = commands.join("\n").replace(" -f allowed_signers ", ` -f ${signers} `);
  const said = await output(["sh", "-ec", script], { cwd: release });
  expect(said).toContain('Good "file" signature for hapgent with ED25519 key');
  expect(said.match(/: OK$/gm)).toHaveLength(readdirSync(release).length - TARGETS.length - 2);
});

test.each(TARGETS)(
  "an archive of %s has the executable and what installs it, owned by root",
  async (target) => {
    const name = `hapgent-${version}-${target}`;
    const tar = `tar --list --verbose --numeric-owner --file ${name}.tar.`;
    const list = (suffix: string) => output(`${tar}${suffix}`.split(" "), { cwd: release });
    const extract = `tar --extract --to-stdout --file ${name}.tar.zst ${name}/hapgent`;
    await output(["sh", "-c", `${extract} | cmp - ${name}`], { cwd: release });
    const text = await list("zst");
    expect(await list("gz")).toBe(text);
    const rows = text.split("\n").map((row) => row.replaceAll(/ +/g, " ").split(" "));
    expect(new Set(rows.map(([, owner, , date]) => `${owner} ${date}`))).toEqual(
      new Set(["0/0 1970-01-01"]),
    );
    const modes = Object.fromEntries(rows.map(([mode, , , , , path = ""]) => [path, mode]));
    expect(modes).toMatchObject({
      [`${name}/hapgent`]: "-rwxr-xr-x",
      [`${name}/README.md`]: "-rw-r--r--",
      [`${name}/LICENSE`]: "-rw-r--r--",
      [`${name}/THIRD_PARTY_NOTICES`]: "-rw-r--r--",
      [`${name}/deploy/man/hapgent.8`]: "-rw-r--r--",
      [`${name}/deploy/completion/hapgent.bash`]: "-rw-r--r--",
      [`${name}/deploy/ansible/hapgent/tasks/main.yml`]: "-rw-r--r--",
      [`${name}/deploy/ansible/hapgent/files/systemd/hapgent.service`]: "-rw-r--r--",
      [`${name}/deploy/systemd/hapgent.service`]: "-rw-r--r--",
      [`${name}/deploy/sysv/hapgent.init`]: "-rwxr-xr-x",
      [`${name}/deploy/scripts/hapgent-deploy`]: "-rwxr-xr-x",
      [`${name}/deploy/scripts/hapgent-follow@.timer`]: "-rw-r--r--",
      [`${name}/deploy/haproxy/haproxy.cfg`]: "-rw-r--r--",
      [`${name}/deploy/hapgent.default`]: "-rw-r--r--",
      [`${name}/deploy/monitoring/alerts.yml`]: "-rw-r--r--",
    });
  },
);

test.each([
  ["amd64", "linux-x64"],
  ["arm64", "linux-arm64"],
])("the package of %s needs no newer C library than it says", async (architecture, target) => {
  const file = join(release, `hapgent_${packageVersion()}_${architecture}.deb`);
  const depends = await output(["dpkg-deb", "--field", file, "Depends"]);
  expect(depends).toContain("libc6 (>= 2.17)");
  expect(await output(["dpkg-deb", "--field", file, "Architecture"])).toBe(architecture);
  const executable = join(release, `hapgent-${version}-${target}`);
  const elf = await output(["readelf", "--wide", "--dynamic", "--version-info", executable]);
  const versions = [...elf.matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor));
  expect(Math.max(...versions)).toBeLessThanOrEqual(17);
  const libraries = [...elf.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(([, library]) => library);
  for (const library of libraries) {
    expect(library).toMatch(/^(lib(c|m|dl|pthread)\.so\.\d|ld-linux-.+\.so\.\d)$/);
  }
});

test.each([
  [
    "a change",
    () => appendFileSync(join(tree, "README.md"), "x"),
    "expected a clean tree, got changes",
  ],
  [
    "a file that git does not know",
    () => appendFileSync(join(tree, "new"), "x"),
    "expected a clean tree, got changes: ?? new",
  ],
  [
    "the tag of another version",
    () => output(["sh", "-c", `git tag -d v${version} && git tag v9.9.9`], { cwd: tree }),
    `expected the tag v${version} here, as package.json has it, got v9.9.9`,
  ],
  [
    "no section in the changelog",
    () =>
      output(["sed", "-i", `s/^## \\[${version}\\]/## [9.9.9]/`, "CHANGELOG.md"], { cwd: tree }),
    `expected a section [${version}] in CHANGELOG.md`,
  ],
  [
    "no key that may sign it",
    () => Bun.write(join(tree, "deploy/allowed_signers"), "# none\n"),
    "expected a release key in deploy/allowed_signers",
  ],
  [
    "something unreleased in the changelog",
    () =>
      output(["sed", "-i", "s/^## \\[Unreleased\\]$/&\\n\\n- More./", "CHANGELOG.md"], {
        cwd: tree,
      }),
    "expected an empty section [Unreleased] in CHANGELOG.md",
  ],
])("a tree with %s is refused at once", async (_, spoil, problem) => {
  await spoil();
  const { text, exitCode } = await runToEnd(["bun", "scripts/release.ts"], {}, tree);
  const mend = `git checkout --quiet . && git clean --force --quiet &&
    git tag --delete $(git tag) && git tag v${version}`;
  await output(["sh", "-c", mend], { cwd: tree });
  expect(text).toContain(`no release: ${problem}`);
  expect(text).not.toContain("compile");
  expect(exitCode).toBe(1);
});

describe("publishing", () => {
  const calls = join(tree, "calls");
  const outputs = join(tree, "outputs");

  /** Publishes with commands in place of gh and skopeo that write down how they were called. */
  async function publish(...options: string[]) {
    const bin = join(tree, "dist/bin");
    const note = `#!/bin/sh\necho "$(basename $0)" "$@" >>${calls}\n`;
    const digest = 'while [ "$1" != --digestfile ]; do shift; done; echo sha256:0123 >"$2"\n';
    await Bun.write(join(bin, "gh"), note);
    await Bun.write(join(bin, "skopeo"), note + digest);
    await output(["chmod", "-R", "+x", bin]);
    const env = { PATH: `${bin}:${Bun.env["PATH"]}`, GH_TOKEN: "secret", IMAGE_USER: "someone" };
    const image = { IMAGE: "registry.example.org/someone/hapgent", GITHUB_OUTPUT: outputs };
    const command = ["bun", "scripts/publish.ts", ...options];
    return await runToEnd(command, { ...env, ...image }, tree);
  }

  beforeAll(() => {
    mkdirSync(join(tree, "dist"));
    symlinkSync(release, join(tree, "dist/release"));
  });

  test("uploads the image, then a release with every file, and shows no secret", async () => {
    expect(await publish("--image")).toMatchObject({ exitCode: 0 });
    expect(readFileSync(outputs, "utf8")).toBe("digest=sha256:0123\n");
    expect(await publish()).toMatchObject({ exitCode: 0 });
    const [skopeo = "", gh = "", ...more] = readFileSync(calls, "utf8").trim().split("\n");
    expect(more).toEqual([]);
    expect(skopeo).toMatch(
      /^skopeo copy --all .* docker:\/\/registry.example.org\/someone\/hapgent:/,
    );
    expect(gh).toStartWith(`gh release create v${version} --verify-tag --notes-file `);
    for (const name of readdirSync(release)) expect(gh).toContain(`/dist/release/${name}`);
    expect(skopeo + gh).not.toContain("secret");
    rmSync(calls);
  });

  test("does nothing when no key of deploy/allowed_signers has signed it", async () => {
    await Bun.write(join(tree, "deploy/allowed_signers"), "# none\n");
    const { text, exitCode } = await publish();
    expect(text).toContain("NOT verified: no release key is published");
    expect(exitCode).toBe(1);
    expect(existsSync(calls)).toBe(false);
  });
});
