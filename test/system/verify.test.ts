// A release is verified only when all its files are whole and signed by a key of
// deploy/allowed_signers; if not, the reason is given.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { appendFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { readKeys, SIGNERS } from "../../scripts/verify.ts";
import { type Key, makeKey, runToEnd, sign, writeRelease } from "./release-fixture.ts";

const NAME = "hapgent-1.2.3-linux-x64";
const FILES = { [NAME]: "the executable", "hapgent_1.2.3_amd64.deb": "the package" };

const keys = temporaryDirectory();
let key: Key;
let other: Key;

beforeAll(async () => {
  [key, other] = await Promise.all([makeKey(keys.path), makeKey(keys.path, "other")]);
});

afterAll(() => keys[Symbol.dispose]());

/** Makes a signed release, lets `tamper` change it, and verifies it. */
async function verifyAfter(tamper: (path: (name: string) => string) => unknown, signers?: string) {
  using directory = temporaryDirectory();
  const path = (name: string) => join(directory.path, name);
  await writeRelease(directory.path, FILES, key);
  await sign(path(NAME), key);
  await tamper(path);
  const options = ["--signers", signers ?? key.signers, directory.path];
  const { text, exitCode } = await runToEnd(["bun", "scripts/verify.ts", ...options]);
  return { text: text.replaceAll(directory.path, "RELEASE"), exitCode };
}

test.each([
  ["that is whole and signed", () => undefined],
  ["of which some files are there", (path: (name: string) => string) => rmSync(path(NAME))],
])("a release %s is verified", async (_, tamper) => {
  expect(await verifyAfter(tamper)).toEqual({ text: "RELEASE: verified\n", exitCode: 0 });
});

describe.concurrent("it is not, and told why", () => {
  test.each<[string, (path: (name: string) => string) => unknown, string]>([
    [
      "when one byte more is there",
      (path) => appendFileSync(path("hapgent_1.2.3_amd64.deb"), "x"),
      "it was changed, or is not whole: hapgent_1.2.3_amd64.deb: FAILED",
    ],
    [
      "when a file was changed together with its checksum",
      async (path) => {
        renameSync(path("SHA256SUMS.sig"), path("kept"));
        await writeRelease(path(""), { ...FILES, "hapgent_1.2.3_amd64.deb": "another package" });
        renameSync(path("kept"), path("SHA256SUMS.sig"));
      },
      "SHA256SUMS is not signed by a key of ",
    ],
    [
      "when all is signed by a key that is not allowed",
      (path) => sign(path("SHA256SUMS"), other),
      "SHA256SUMS is not signed by a key of ",
    ],
    [
      "when a file's own signature is another key's",
      (path) => sign(path(NAME), other),
      `${NAME} is not signed by a key of `,
    ],
    [
      "when the key signed for another purpose",
      (path) => sign(path("SHA256SUMS"), key, "git"),
      "SHA256SUMS is not signed by a key of ",
    ],
    [
      "when SHA256SUMS has no line for a file, only for a name that ends like it",
      (path) => writeRelease(path(""), { [`x${NAME}`]: "", "hapgent_1.2.3_amd64.deb": "" }, key),
      `SHA256SUMS has no line for ${NAME}`,
    ],
    [
      "when the signature is missing",
      (path) => rmSync(path("SHA256SUMS.sig")),
      "SHA256SUMS.sig is missing",
    ],
    [
      "when the signature is no signature",
      (path) => writeFileSync(path("SHA256SUMS.sig"), "yes\n"),
      "SHA256SUMS is not signed by a key of ",
    ],
    ["when SHA256SUMS is missing", (path) => rmSync(path("SHA256SUMS")), "SHA256SUMS is missing"],
  ])("%s", async (_, tamper, problem) => {
    const { text, exitCode } = await verifyAfter(tamper);
    expect(text).toStartWith(`RELEASE: NOT verified: ${problem}`);
    expect(exitCode).toBe(1);
  });
});

test("as long as no key is published nothing is verified, and that is said", async () => {
  using directory = temporaryDirectory();
  const signers = join(directory.path, "allowed_signers");
  writeFileSync(signers, "# none yet\n\n");
  expect(await verifyAfter(() => undefined, signers)).toEqual({
    text: `RELEASE: NOT verified: no release key is published: ${signers} has none\n`,
    exitCode: 1,
  });
});

test("deploy/allowed_signers has comments, and keys that may sign files and nothing else", () => {
  for (const line of readKeys(SIGNERS)) {
    expect(line).toMatch(/^hapgent ([a-z-]+="[^"]*",)*namespaces="file"[^ ]* (sk-)?ssh-ed25519/);
  }
});
