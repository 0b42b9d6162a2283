// A release is complete, verifiable and the same for the same commit; what is not right is
// refused before anything is built or published.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "../../package.json";
import { output } from "../../scripts/lib/shell.ts";
import { packageVersion } from "../../scripts/lib/version.ts";
import { runToEnd } from "../system/release-fixture.ts";
import { baseRelease, baseTree, releaseKey } from "./release.ts";

const TARGETS = ["linux-arm64", "linux-arm64-musl", "linux-x64", "linux-x64-musl"];

/** A tree that a release can be made of, to spoil. */
const tree = join(tmpdir(), "release-spoilt");
let release: string;

beforeAll(async () => {
  release = await baseRelease();
  await output(["git", "clone", "--quiet", await baseTree(), tree]);
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
  const { path } = await releaseKey();
  const make = `umask 077 && git clone --quiet "$1" . && bun scripts/release.ts --fast &&
    bun scripts/sign.ts --key "$0" && bun scripts/verify.ts dist/release`;
  mkdirSync(directory, { recursive: true });
  await output(["sh", "-c", make, path, await baseTree()], { cwd: directory, env, limit: 1700 });
  const again = join(directory, "dist/release");
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
  "an archive of %s has the executable, and what installs it, of root",
  async (target) => {
    const name = `hapgent-${version}-${target}`;
    const read = (script: string) => output(["sh", "-ec", script, name], { cwd: release });
    await read('tar --extract --to-stdout --file "$0.tar.zst" "$0/hapgent" | cmp - "$0"');
    const list = 'tar --list --verbose --numeric-owner --file "$0.tar';
    const text = await read(`${list}.zst"`);
    expect(await read(`${list}.gz"`)).toBe(text);
    const rows = text.split("\n").map((row) => row.split(/ +/));
    expect([...new Set(rows.map(([, owner]) => owner))]).toEqual(["0/0"]);
    const modes = Object.fromEntries(rows.map(([mode, , , , , path = ""]) => [path, mode]));
    // The role's links are files.
    const unit = "deploy/ansible/hapgent/files/systemd/hapgent.service";
    for (const file of [unit, "deploy/nftables/hapgent.nft"]) {
      expect(modes[`${name}/${file}`]).toBe("-rw-r--r--");
    }
    for (const file of ["hapgent", "deploy/sysv/hapgent.init", "deploy/scripts/hapgent-deploy"]) {
      expect(modes[`${name}/${file}`]).toBe("-rwxr-xr-x");
    }
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
  const elf = await output(["readelf", "--wide", "--version-info", executable]);
  const versions = [...elf.matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor));
  expect(Math.max(...versions)).toBeLessThanOrEqual(17);
});

test("a tree that is not right is refused at once, with all that is not", async () => {
  const spoil = `echo x >>README.md; echo x >new; echo "# none" >deploy/allowed_signers
    sed -i 's/^## \\[${version}\\]/## [9.9.9]/; s/^## \\[Unreleased\\]$/&\\n\\n- More./' CHANGELOG.md
    git tag -d v${version} && git tag v9.9.9`;
  await output(["sh", "-ec", spoil], { cwd: tree });
  const { text, exitCode } = await runToEnd(["bun", "scripts/release.ts"], {}, tree);
  const changed = "M CHANGELOG.md, M README.md, M deploy/allowed_signers,?? new";
  expect(text.trim().split("\n")).toEqual([
    `no release: expected a clean tree, got changes: ${changed}`,
    `no release: expected the tag v${version} here, as package.json has it, got v9.9.9`,
    `no release: expected a section [${version}] in CHANGELOG.md`,
    expect.stringContaining("no release: expected an empty section [Unreleased] in CHANGELOG.md"),
    expect.stringContaining("no release: expected a release key in deploy/allowed_signers"),
  ]);
  expect(exitCode).toBe(1);
  writeFileSync(join(tree, "deploy/allowed_signers"), "hapgent ssh-ed25519 AAAA\n");
  const other = await runToEnd(["bun", "scripts/release.ts", "--check"], {}, tree);
  expect(other).toMatchObject({
    text: expect.stringContaining("got hapgent ssh-ed25519"),
    exitCode: 1,
  });
});

test("publishing uploads the image, then every file, shows no secret, and neither without a key that signed", async () => {
  const mend = `git checkout --quiet . && git clean --force --quiet
    mkdir -p dist/bin && ln -s "$0" dist/release
    printf '#!/bin/sh\\necho "$(basename $0)" "$@" >>calls\\n' | tee dist/bin/gh >dist/bin/skopeo
    echo 'while [ "$1" != --digestfile ]; do shift; done; echo sha256:0123 >"$2"' >>dist/bin/skopeo
    chmod +x dist/bin/*`;
  await output(["sh", "-ec", mend, release], { cwd: tree });
  /** Publishes with commands in place of gh and skopeo that write down how they were called. */
  const publish = async (...options: string[]) => {
    const path = { PATH: `${tree}/dist/bin:${Bun.env["PATH"]}`, GITHUB_OUTPUT: `${tree}/outputs` };
    const image = { IMAGE: "registry.example.org/someone/hapgent", IMAGE_USER: "someone" };
    const env = { ...path, ...image, GH_TOKEN: "secret" };
    return await runToEnd(["bun", "scripts/publish.ts", ...options], env, tree);
  };
  expect(await publish("--image")).toMatchObject({ exitCode: 0 });
  expect(readFileSync(`${tree}/outputs`, "utf8")).toBe("digest=sha256:0123\n");
  expect(await publish()).toMatchObject({ exitCode: 0 });
  const calls = readFileSync(`${tree}/calls`, "utf8");
  const [skopeo = "", gh = "", ...more] = calls.trim().split("\n");
  expect(more).toEqual([]);
  const place = "docker://registry.example.org/someone/hapgent:";
  expect(skopeo).toMatch(new RegExp(`^skopeo copy --all .* ${place}`));
  expect(gh).toStartWith(`gh release create v${version} --verify-tag --notes-file `);
  for (const name of readdirSync(release)) expect(gh).toContain(`/dist/release/${name}`);
  expect(calls).not.toContain("secret");

  await Bun.write(join(tree, "deploy/allowed_signers"), "# none\n");
  const { text, exitCode } = await publish();
  expect(text).toContain("NOT verified: no release key is published");
  expect(exitCode).toBe(1);
  expect(readFileSync(`${tree}/calls`, "utf8")).toBe(calls);
});
