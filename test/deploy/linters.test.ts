// What the ecosystem's own linters say of what we ship and publish: nothing. Those of workflows, of the
// package, of the alerts and of the bill of materials are beside their other tests.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { outcome, ROOT } from "../../scripts/lib/shell.ts";
import { listFiles } from "../repository.ts";
import { baseTree } from "./release.ts";
import { runUnpacked, unpackPackages } from "./unpack.ts";

const FILES = listFiles();
const CLEAN = { stdout: "", stderr: "", exitCode: 0 };

/** Long lines and comments as we write them, and the `on:` of workflows, are no errors. */
const YAML = `{extends: default, rules: {line-length: disable, comments: disable,
  comments-indentation: disable, truthy: {check-keys: false}, braces: {max-spaces-inside: 1}}}`;

/** Whether a file is a shell's; the init script (.init) is for Debian's sh and its functions. */
function isShell(path: string): boolean {
  if (/\.[a-z]{2,4}$/.test(path) && !/\.(ba)?sh$/.test(path)) return false;
  return path.endsWith(".bash") || /^#!.*\b(ba)?sh\b/.test(readFileSync(ROOT + path, "utf8"));
}

test.each([
  ["shellcheck", isShell, "deploy/install.sh"],
  [
    "shellcheck --shell=sh --exclude=SC2016",
    (path: string) => /^deploy\/scripts\/follow\/[a-z-]+$/.test(path),
    "deploy/scripts/follow/load",
  ],
  ["mandoc -T lint -W warning", (path: string) => /\/man\//.test(path), "deploy/man/hapgent.8"],
  ["yamllint --strict", (path: string) => /\.ya?ml$/.test(path), ".github/workflows/release.yml"],
])("%s", async (command, isMeant, one) => {
  const files = FILES.filter(isMeant);
  expect(files).toContain(one);
  const more = command.startsWith("yamllint") ? ["--config-data", YAML] : [];
  expect(await outcome([...command.split(" "), ...more, ...files])).toEqual(CLEAN);
});

test("reuse: every file says whose it is, and by which license", async () => {
  // That of Debian 12 does not know REUSE.toml.
  const root = await unpackPackages("trixie", "reuse", "?essential");
  const lint = ["reuse", "--root", "/srv", "lint", "--quiet"];
  expect(await runUnpacked(root, await baseTree(), lint)).toEqual(CLEAN);
});
